import { basename, resolve as resolvePath } from "node:path";
import { statSync } from "node:fs";
import * as blobs from "../db/blobs.ts";
import * as inputs from "../db/run-inputs.ts";
import { formatDigest } from "../domain/digest.ts";
import { CofferError } from "../domain/error.ts";
import { resolveArtifact } from "../registry/resolve.ts";
import { readablePath } from "../store/cache.ts";
import { holdBlob, readerLease } from "../store/lease.ts";
import { readTree } from "../store/read.ts";
import type { Store } from "../store/store.ts";
import { writeOut } from "../store/write-out.ts";
import type { Content } from "../store/write-out.ts";
import type { ArtifactRow } from "../db/artifacts.ts";
import { currentRun } from "./current-run.ts";
import { command } from "./command.ts";

export default command(
  {
    positionals: [
      {
        name: "REF",
        description: "an artifact: id, name, name@v3, name@alias, RUN/path (also inside a directory), blake3:PREFIX",
        required: true,
      },
    ],
    flags: {
      output: {
        type: "string",
        alias: "o",
        valueHint: "PATH",
        description: "write the bytes there (into PATH where it is a directory), hashing every one of them",
      },
    },
    about:
      "Prints a path under which the bytes can be read: read only, for as long as the calling process or run lives. A large file is its own place in the store; a small one or a directory is a plain copy in the cache.",
    examples: [
      ["model=$(coffer get churn-model@best)", "a path for a script"],
      ["coffer get churn-model -o model.onnx", "a copy of one's own"],
    ],
    exits: { "4": "nothing is called so", "5": "the target exists: nothing is overwritten" },
  },
  async ({ flags, positionals, io }) => {
    using store = await io.openStore({ make: false });
    const { artifact, inside } = resolveArtifact(store, positionals[0] as string);
    if (artifact.blob === null)
      throw new CofferError("NOT_FOUND", `the bytes of ${artifact.id} are gone`, { hint: "coffer show tells when and why" });
    const run = currentRun(store, io.env);
    const lease = readerLease(store, run?.seq);
    holdBlob(store, lease, artifact.blob);
    const content = await contentOf(store, artifact, artifact.blob, inside);
    if (run)
      store.transaction(() =>
        inputs.add(store.db, {
          run: run.seq,
          artifact: artifact.seq,
          path: null,
          digest: artifact.digest,
          size: artifact.size,
          how: "got",
        }),
      );
    if (flags.output !== undefined) {
      const given = resolvePath(io.cwd, flags.output);
      const target = statSync(given, { throwIfNoEntry: false })?.isDirectory() ? resolvePath(given, content.name) : given;
      await writeOut(store, content, target);
      io.print(
        { schema: "coffer.get/1", id: artifact.id, path: target, digest: content.digest, size: content.size },
        (document) => document.path,
      );
      return;
    }
    const path = await readablePath(store, content, lease);
    io.print({ schema: "coffer.get/1", id: artifact.id, path, digest: content.digest, size: content.size }, (document) => document.path);
  },
);

/** The bytes of an artifact, or of one file inside the directory that it is. */
async function contentOf(
  store: Store,
  artifact: ArtifactRow,
  blob: number,
  inside: string | undefined,
): Promise<Content & { size: number; digest: string; name: string }> {
  if (inside === undefined)
    return { kind: artifact.kind, blob, mode: artifact.mode, size: artifact.size, digest: artifact.digest, name: basename(artifact.path) };
  const entries = await readTree(store, blob);
  const entry = entries.find((candidate) => candidate.path === inside);
  const row = entry?.kind === "file" ? blobs.byDigest(store.db, { algorithm: "blake3", hex: entry.hex }) : null;
  if (entry?.kind !== "file" || !row)
    throw new CofferError("NOT_FOUND", `${artifact.path} has no file “${inside}”`, {
      hint: "coffer show REF --files lists them; get the whole directory for what is below a directory in it",
      candidates: entries
        .filter((candidate) => candidate.path.startsWith(`${inside}/`))
        .slice(0, 10)
        .map((candidate) => `${artifact.id}/${candidate.path}`),
    });
  return {
    kind: "file",
    blob: row.seq,
    mode: entry.mode,
    size: row.size,
    digest: formatDigest({ algorithm: "blake3", hex: entry.hex }),
    name: basename(inside),
  };
}
