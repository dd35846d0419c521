import { CofferError } from "./error.ts";
import { closest } from "./closest.ts";

export const ARTIFACT_TYPES = [
  "model",
  "transformer",
  "splitter",
  "encoder",
  "meta_model",
  "dataset",
  "checkpoint",
  "report",
  "plot",
  "metrics",
  "config",
  "log",
  "file",
] as const;

export type ArtifactType = (typeof ARTIFACT_TYPES)[number];

/** @throws CofferError VALUE_INVALID for a type that is not in the list. */
export function checkArtifactType(text: string): ArtifactType {
  if ((ARTIFACT_TYPES as readonly string[]).includes(text)) return text as ArtifactType;
  const near = closest(text, ARTIFACT_TYPES);
  throw new CofferError("VALUE_INVALID", `unknown artifact type “${text}”`, {
    hint: near ? `did you mean ${near}? Types: ${ARTIFACT_TYPES.join(", ")}` : `types: ${ARTIFACT_TYPES.join(", ")}`,
  });
}

const BY_EXTENSION: Record<string, ArtifactType> = {
  png: "plot",
  jpg: "plot",
  jpeg: "plot",
  svg: "plot",
  gif: "plot",
  webp: "plot",
  csv: "dataset",
  tsv: "dataset",
  parquet: "dataset",
  arrow: "dataset",
  feather: "dataset",
  npz: "dataset",
  npy: "dataset",
  pt: "model",
  pth: "model",
  onnx: "model",
  joblib: "model",
  pkl: "model",
  pickle: "model",
  safetensors: "model",
  h5: "model",
  keras: "model",
  gguf: "model",
  ckpt: "checkpoint",
  md: "report",
  html: "report",
  pdf: "report",
  ipynb: "report",
  yaml: "config",
  yml: "config",
  toml: "config",
  ini: "config",
  log: "log",
};

/**
 * What a file most likely is, by its name: used where nobody said. Such an artifact counts as untyped for storing
 * (a small one may go into a pack).
 */
export function guessArtifactType(path: string): ArtifactType {
  const base = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  if (base === "metrics.json") return "metrics";
  if (base === "params.json" || base === "params.yaml") return "config";
  const dot = base.lastIndexOf(".");
  const extension = base.slice(dot + 1);
  // a file may be called x.constructor
  return (dot > 0 && Object.hasOwn(BY_EXTENSION, extension) ? BY_EXTENSION[extension] : undefined) ?? "file";
}
