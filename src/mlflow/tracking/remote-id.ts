import * as v from "valibot";

/**
 * Ids that servers give are kept for good, and become parts of addresses, paths and filters: only those that MLflow could give are taken. Whoever gives another
 * one is no MLflow.
 */
export const RunId = v.pipe(v.string(), v.regex(/^[a-zA-Z0-9][\w-]{0,255}$/, "that is no id of a run"));
export const ExperimentId = v.pipe(v.string(), v.regex(/^[a-zA-Z0-9][\w-]{0,63}$/, "that is no id of an experiment"));
export const ModelId = v.pipe(v.string(), v.regex(/^[a-zA-Z0-9][\w-]{0,255}$/, "that is no id of a model"));

/** Where artifacts lie. `destinationOf` looks at the rest of it. */
export const ArtifactUri = v.pipe(v.string(), v.regex(/^[^\p{Cc}\p{Cs}]{0,4000}$/u, "that is no place"));
