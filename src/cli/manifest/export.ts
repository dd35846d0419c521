import { join, resolve } from "node:path";
import { isDirectory } from "../../blobs/is-directory.ts";
import * as artifacts from "../../db/records/artifacts.ts";
import { ofPipelineAndDataset } from "../../db/records/exported-runs.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { CofferError } from "../../domain/error.ts";
import { countOf, formatBytes } from "../../domain/quantity.ts";
import { exportManifest } from "../../manifest/export/export-manifest.ts";
import { writeManifestFile, writeManifestTree } from "../../manifest/export/write-manifest-tree.ts";
import { toYaml } from "../../manifest/read/yaml.ts";
import { resolveRun } from "../../registry/resolve.ts";
import type { Store } from "../../store/store.ts";
import { command } from "../command.ts";

interface ManifestOut {
  run: string;
  path: string | null;
  text: string | null;
  artifacts: number;
  files: number;
  bytes: number;
}

export default command(
  {
    positionals: [{ name: "RUN", description: "a run, by id, the beginning of one, or name", variadic: true }],
    flags: {
      pipeline: { type: "string", valueHint: "P", description: "all runs that have artifacts of a pipeline" },
      dataset: {
        type: "string",
        valueHint: "D",
        description: "all runs that have artifacts of a dataset; default: also those without one",
      },
      output: {
        type: "string",
        alias: "o",
        valueHint: "PATH",
        description: "a file for one manifest; a new or empty directory for several",
      },
      "with-bytes": {
        type: "boolean",
        description: "write the artifacts' bytes too, below -o DIR, which can be imported elsewhere",
      },
    },
    about: `Writes a manifest of schema 2.0 for each run: its artifacts in sight, with SHA-256 digests. What an import brought along goes back to its place; what the format
has no key for is in one coffer block at the end. Without -o, one manifest goes to stdout.`,
    examples: [
      ["coffer manifest export 0193c2e4", "one run, on stdout"],
      ["coffer manifest export --pipeline 0001_pls -o out/", "a manifest for each run of a pipeline"],
      ["coffer manifest export --dataset corn --with-bytes -o corn/", "with the bytes, for another store"],
    ],
    exits: { "4": "there is no such run", "5": "the target exists: nothing is overwritten" },
  },
  async ({ flags, positionals, io }) => {
    using store = await io.openStore({ make: false, access: "read" });
    const chosen = choose(store, positionals, flags);
    const output = flags.output === undefined ? undefined : resolve(io.cwd, flags.output);
    if (flags["with-bytes"] && output === undefined)
      throw new CofferError("USAGE", "the bytes need a directory", { hint: "add -o DIR: one that is new or empty" });
    if (chosen.length > 1 && output === undefined)
      throw new CofferError("USAGE", `these are ${chosen.length} manifests`, { hint: "add -o DIR, or name one run" });
    const manifests: ManifestOut[] = [];
    const elsewhere = new Set<string>();
    if (output === undefined) {
      const run = chosen[0] as RunRow;
      const { manifest, artifacts: made, elsewhere: others } = await exportManifest(store, run);
      manifests.push({ run: run.id, path: null, text: toYaml(manifest), artifacts: made.length, files: 0, bytes: 0 });
      for (const id of others) elsewhere.add(id);
    } else {
      const asDirectory = flags["with-bytes"] || chosen.length > 1 || (flags.output as string).endsWith("/") || isDirectory(output);
      const written = asDirectory
        ? await writeManifestTree(store, chosen, output, flags["with-bytes"])
        : [await writeManifestFile(store, chosen[0] as RunRow, output)];
      const own = new Set(written.flatMap(({ run }) => artifacts.ofRun(store.db, run.seq).map(({ id }) => id)));
      for (const { run, elsewhere: others, ...rest } of written) {
        manifests.push({ run: run.id, text: null, ...rest });
        for (const id of others) if (!own.has(id)) elsewhere.add(id);
      }
    }
    io.print({ schema: "coffer.manifest-export/1", manifests, elsewhere: [...elsewhere] }, () =>
      manifests.map(({ text, path }) => text ?? `${path}\n`).join(""),
    );
    const [files, bytes] = [manifests.reduce((sum, one) => sum + one.files, 0), manifests.reduce((sum, one) => sum + one.bytes, 0)];
    if (flags["with-bytes"]) io.say.info(`${countOf(files, "file")}, ${formatBytes(bytes)}, in ${join(output as string, "binaries")}`);
    if (elsewhere.size > 0)
      io.say.warn(
        `these were made from ${countOf(elsewhere.size, "artifact")} of other runs (${[...elsewhere].slice(0, 3).join(", ")}${elsewhere.size > 3 ? ", …" : ""}): a store that does not have them needs those runs as well`,
      );
  },
);

function choose(store: Store, refs: readonly string[], by: { pipeline: string | undefined; dataset: string | undefined }): RunRow[] {
  if (refs.length === 0 && by.pipeline === undefined && by.dataset === undefined)
    throw new CofferError("USAGE", "no run is named", { hint: "name runs, or give --pipeline P or --dataset D" });
  const chosen = new Map<number, RunRow>();
  for (const ref of refs) {
    const run = resolveRun(store, ref);
    if (run.state === "running") throw new CofferError("USAGE", `run ${run.id} is still going`, { hint: "export it when it has ended" });
    chosen.set(run.seq, run);
  }
  if (by.pipeline !== undefined || by.dataset !== undefined) {
    for (const run of ofPipelineAndDataset(store.db, by.pipeline ?? null, by.dataset ?? null)) chosen.set(run.seq, run);
    if (chosen.size === 0)
      throw new CofferError("NOT_FOUND", "no run with artifacts is of that pipeline or dataset", { hint: "coffer runs lists all runs" });
  }
  return [...chosen.values()].sort((a, b) => a.seq - b.seq);
}
