import { lstatSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { replaceFile } from "../blobs/durable.ts";
import * as artifacts from "../db/artifacts.ts";
import type { ArtifactRow } from "../db/artifacts.ts";
import type { RunRow } from "../db/runs.ts";
import { CofferError, reason } from "../domain/error.ts";
import { filePart } from "../domain/names.ts";
import { writeOut } from "../store/write-out.ts";
import type { Store } from "../store/store.ts";
import { exportManifest } from "./export-manifest.ts";
import { toYaml } from "./yaml.ts";

export interface WrittenManifest {
  run: RunRow;
  path: string;
  artifacts: number;
  /** Of its files, written by this one: several may share one. */
  files: number;
  bytes: number;
  elsewhere: string[];
}

/**
 * Writes a workspace that another store, or another program that reads the format, can take over: `runs/<date>_<dataset>/<pipeline>/manifest.yaml` for each run and,
 * `withBytes`, `binaries/<dataset>/<path>`. A path that other bytes have already gets twelve digits of its digest.
 * @throws CofferError PROTECTED where the directory holds something; CORRUPT, UNREADABLE
 */
export async function writeWorkspace(
  store: Store,
  runs: readonly RunRow[],
  directory: string,
  withBytes: boolean,
): Promise<WrittenManifest[]> {
  refuseFilled(directory);
  const taken: Taken = { files: new Map(), above: new Set() };
  const manifests = new Set<string>();
  const written: WrittenManifest[] = [];
  for (const run of runs) {
    const dataset = run.dataset ?? "default";
    const paths = new Map<number, string>();
    const fresh: { row: ArtifactRow; at: string }[] = [];
    const pathOf = (artifact: ArtifactRow): string => {
      const known = paths.get(artifact.seq);
      if (known !== undefined) return known;
      const path = freePath(artifact, dataset, taken, (at) => fresh.push({ row: artifact, at }));
      paths.set(artifact.seq, path);
      return path;
    };
    const { manifest, artifacts: made, elsewhere } = await exportManifest(store, run, withBytes ? pathOf : undefined);
    let bytes = 0;
    for (const { row, at } of fresh) {
      const now = artifacts.bySeq(store.db, row.seq) ?? row;
      await writeOut(store, { kind: now.kind, blob: now.blob as number, mode: now.mode }, join(directory, "binaries", dataset, at));
      bytes += now.size;
    }
    const path = join(directory, manifestPath(run, dataset, manifests));
    write(path, toYaml(manifest));
    written.push({ run, path, artifacts: made.length, files: fresh.length, bytes, elsewhere });
  }
  return written;
}

/** Writes one manifest to a file that is not there yet. @throws CofferError PROTECTED, UNREADABLE */
export async function writeManifestFile(store: Store, run: RunRow, path: string): Promise<WrittenManifest> {
  if (lstatSync(path, { throwIfNoEntry: false }))
    throw new CofferError("PROTECTED", `${path} exists`, { hint: "name another place, or move it away; coffer does not overwrite" });
  const { manifest, artifacts: made, elsewhere } = await exportManifest(store, run);
  write(path, toYaml(manifest));
  return { run, path, artifacts: made.length, files: 0, bytes: 0, elsewhere };
}

function write(path: string, text: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    replaceFile(path, text);
  } catch (error) {
    throw new CofferError("UNREADABLE", `${path} could not be written: ${reason(error)}`, {
      hint: "check that there is room and that you may write there",
      cause: error,
    });
  }
}

function refuseFilled(directory: string): void {
  const stat = lstatSync(directory, { throwIfNoEntry: false });
  if (!stat || (stat.isDirectory() && readdirSync(directory).length === 0)) return;
  throw new CofferError("PROTECTED", stat.isDirectory() ? `${directory} is not empty` : `${directory} exists and is no directory`, {
    hint: "name a directory that is new or empty; coffer does not overwrite",
  });
}

/** Which paths below `binaries/` are whose: those of files by blob, and those of directories that are on the way to one. */
interface Taken {
  files: Map<string, number>;
  above: Set<string>;
}

/** The same bytes at the same path are written once; other bytes get another name. */
function freePath(artifact: ArtifactRow, dataset: string, taken: Taken, write: (at: string) => void): string {
  const end = extname(artifact.path);
  const stem = end === "" ? artifact.path : artifact.path.slice(0, -end.length);
  const hex = artifact.digest.slice(artifact.digest.indexOf(":") + 1);
  for (const digits of [0, 12, 64]) {
    const at = digits === 0 ? artifact.path : `${stem}_${hex.slice(0, digits)}${end}`;
    const key = `${dataset}/${at}`;
    if (taken.files.get(key) === artifact.blob) return at;
    const above = directoriesAbove(key);
    if (taken.files.has(key) || taken.above.has(key) || above.some((directory) => taken.files.has(directory))) continue;
    taken.files.set(key, artifact.blob as number);
    for (const directory of above) taken.above.add(directory);
    write(at);
    return at;
  }
  throw new Error(`no free path for ${artifact.id}`);
}

function directoriesAbove(key: string): string[] {
  const parts = key.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}

function manifestPath(run: RunRow, dataset: string, taken: Set<string>): string {
  const day = new Date(run.started_at).toISOString().slice(0, 10);
  const folder = join("runs", `${day}_${filePart(dataset)}`);
  const pipeline = filePart(run.pipeline ?? run.id);
  const path = [pipeline, `${pipeline}_${run.id}`]
    .map((name) => join(folder, name, "manifest.yaml"))
    .find((one) => !taken.has(one)) as string;
  taken.add(path);
  return path;
}
