import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { makeInNewPlace } from "../../blobs/new-place.ts";
import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { checkArtifactPath, checkName, DEFAULT_DATASET, filePart } from "../../domain/names.ts";
import type { Store } from "../../store/store.ts";
import { writeOut } from "../../store/bytes/write-out.ts";
import { exportManifest } from "./export-manifest.ts";
import { holdArtifacts } from "../import/hold-artifacts.ts";
import { toYaml } from "../read/yaml.ts";

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
 * Writes a manifest tree, which another store, or another program that reads the format, can take over: `runs/<date>_<dataset>/<pipeline>/manifest.yaml` for each
 * run and, `withBytes`, `binaries/<dataset>/<path>`. All of it or nothing. A path that other bytes have already gets twelve digits of its digest.
 * @throws CofferError PROTECTED where the directory holds something; CORRUPT, UNREADABLE, PATH_INVALID
 */
export async function writeManifestTree(
  store: Store,
  runs: readonly RunRow[],
  directory: string,
  withBytes: boolean,
): Promise<WrittenManifest[]> {
  // all are held before the first is read
  for (const run of runs) holdArtifacts(store, run);
  return makeInNewPlace(directory, "directory", async (beside) => {
    const taken: Taken = { files: new Map(), above: new Set() };
    const manifests = new Set<string>();
    const written: WrittenManifest[] = [];
    for (const run of runs) {
      const dataset = run.dataset ?? DEFAULT_DATASET;
      const fresh: { artifact: ArtifactRow; at: string }[] = [];
      const pathOf = (artifact: ArtifactRow): string => freePath(artifact, dataset, taken, (at) => fresh.push({ artifact, at }));
      const { manifest, artifacts: made, elsewhere } = await exportManifest(store, run, withBytes ? pathOf : undefined);
      let bytes = 0;
      for (const { artifact, at } of fresh) {
        // read again: a look at one's bytes may have moved others to a blob with the same
        const { kind, blob, mode, size } = artifacts.bySeq(store.db, artifact.seq) ?? artifact;
        // whatever the database holds: nothing is written outside
        const target = join(beside, "binaries", checkName("dataset", dataset), checkArtifactPath(at));
        await writeOut(store, { kind, blob: blob as number, mode }, target);
        bytes += size;
      }
      const path = manifestPath(run, dataset, manifests);
      mkdirSync(dirname(join(beside, path)), { recursive: true });
      writeFileSync(join(beside, path), toYaml(manifest));
      written.push({ run, path: join(directory, path), artifacts: made.length, files: fresh.length, bytes, elsewhere });
    }
    return written;
  });
}

/** Writes one manifest to a file that is not there yet. @throws CofferError PROTECTED, UNREADABLE */
export function writeManifestFile(store: Store, run: RunRow, path: string): Promise<WrittenManifest> {
  return makeInNewPlace(path, "file", async (beside) => {
    const { manifest, artifacts: made, elsewhere } = await exportManifest(store, run);
    writeFileSync(beside, toYaml(manifest));
    return { run, path, artifacts: made.length, files: 0, bytes: 0, elsewhere };
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
