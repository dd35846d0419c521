import { openSync, writeFileSync } from "node:fs";
import type { UploadSource } from "../../src/mlflow/artifacts/upload-source.ts";

/** Writes a file and gives it as a source of its own. */
export function fileSource(path: string, content: string | Uint8Array, mode = 0o444): UploadSource {
  writeFileSync(path, content, { mode });
  return { size: Buffer.byteLength(content), path, open: () => ({ fd: openSync(path, "r"), offset: 0 }) };
}

/** A range of a file that holds more, as a blob lies in a pack. */
export function packedSource(path: string, before: string, content: string, after: string): UploadSource {
  writeFileSync(path, before + content + after, { mode: 0o444 });
  return { size: Buffer.byteLength(content), open: () => ({ fd: openSync(path, "r"), offset: Buffer.byteLength(before) }) };
}
