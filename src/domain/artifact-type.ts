import { CofferError } from "./error.ts";
import { closest } from "./closest.ts";

/** Each type, with the extensions and whole names of files that are most likely of it. docs/adding-an-artifact-type.md adds one. */
const FILES_OF = {
  model: ["pt", "pth", "onnx", "joblib", "pkl", "pickle", "safetensors", "h5", "keras", "gguf"],
  transformer: [],
  splitter: [],
  encoder: [],
  meta_model: [],
  dataset: ["csv", "tsv", "parquet", "arrow", "feather", "npz", "npy"],
  checkpoint: ["ckpt"],
  report: ["md", "html", "pdf", "ipynb"],
  plot: ["png", "jpg", "jpeg", "svg", "gif", "webp"],
  metrics: ["metrics.json"],
  config: ["params.json", "params.yaml", "yaml", "yml", "toml", "ini"],
  log: ["log"],
  file: [],
} as const satisfies Record<string, readonly string[]>;

export type ArtifactType = keyof typeof FILES_OF;

export const ARTIFACT_TYPES = Object.keys(FILES_OF) as ArtifactType[];

/** @throws CofferError VALUE_INVALID for a type that is not in the list. */
export function checkArtifactType(text: string): ArtifactType {
  if ((ARTIFACT_TYPES as readonly string[]).includes(text)) return text as ArtifactType;
  const near = closest(text, ARTIFACT_TYPES);
  throw new CofferError("VALUE_INVALID", `unknown artifact type “${text}”`, {
    hint: near ? `did you mean ${near}? Types: ${ARTIFACT_TYPES.join(", ")}` : `types: ${ARTIFACT_TYPES.join(", ")}`,
  });
}

const TYPE_OF = new Map(ARTIFACT_TYPES.flatMap((type) => FILES_OF[type].map((name) => [name as string, type] as const)));

/**
 * What a file most likely is, by its name: used where nobody said. Such an artifact counts as untyped for storing
 * (a small one may go into a pack).
 */
export function guessArtifactType(path: string): ArtifactType {
  const base = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  const dot = base.lastIndexOf(".");
  // what has no extension is no file of the list, even if it is called “log”
  if (dot <= 0) return "file";
  return TYPE_OF.get(base) ?? TYPE_OF.get(base.slice(dot + 1)) ?? "file";
}
