import { resolve as resolvePath } from "node:path";
import { isDirectory } from "../blobs/is-directory.ts";
import { EXIT } from "../domain/error.ts";
import type { ArtifactRow } from "../db/records/artifacts.ts";
import { artifactRef } from "../domain/artifact-ref.ts";
import { hold, openCopier, openReader, readablePaths, recordRead } from "../registry/hand-out.ts";
import type { Held, Reader } from "../registry/hand-out.ts";
import { resolveArtifact } from "../registry/resolve.ts";
import { withDependencies } from "../registry/lineage/with-dependencies.ts";
import type { Store } from "../store/store.ts";
import { refuseInside } from "../store/refuse-inside.ts";
import { writeOut } from "../store/bytes/write-out.ts";
import { writeTogether } from "../store/bytes/write-together.ts";
import { command } from "./command.ts";
import { currentRun } from "./current-run.ts";
import type { Io } from "./io.ts";
import { undoAtStop } from "./undo-at-stop.ts";
import { writeManifests } from "./write-manifests.ts";

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
      "with-deps": {
        type: "boolean",
        description: "also all that it was made from, each once, dependencies first; with -o into a new directory",
      },
    },
    about:
      "Prints a path under which the bytes can be read: read only, for as long as the calling process or run lives. A large file is its own place in the store; a small one or a directory is a plain copy in the cache.",
    examples: [
      ["model=$(coffer get churn-model@best)", "a path for a script"],
      ["coffer get churn-model -o model.onnx", "a copy of one's own"],
      ["coffer get churn-model --with-deps -o all", "with what it was made from, in a new directory"],
    ],
    exits: {
      "3": "with --with-deps: something that it was made from was deleted",
      "4": "there is no such run or artifact",
      "5": "the target exists: nothing is overwritten",
      "130": "with -o: interrupted; nothing was left",
    },
  },
  async ({ flags, positionals, io }) => {
    using store = await io.openStore({ make: false, access: "hand-out" });
    const { artifact, inside } = resolveArtifact(store, positionals[0] as string);
    const target = flags.output === undefined ? undefined : resolvePath(io.cwd, flags.output);
    const reader = (target === undefined ? openReader : openCopier)(store, currentRun(store, io.env));
    using _ = target === undefined ? undefined : undoAtStop(io, store);
    if (target !== undefined)
      refuseInside(
        OWN.map((name) => store.path(name)),
        target,
        "name a place outside the store: what lies there and is not its own, gc takes",
      );
    if (flags["with-deps"]) return await getAll(store, io, reader, artifact, inside, target);
    const content = await hold(store, reader, artifact, inside);
    const [path] = target === undefined ? await readablePaths(store, reader, [content]) : [await writeOne(store, content, target)];
    recordRead(store, reader, [artifact]);
    await writeManifests(store);
    io.print({ schema: "coffer.get/1", ...got(artifact, content, path as string) }, (document) => document.path);
    return EXIT.done;
  },
);

/** What a store keeps for itself. */
const OWN = ["binaries", "manifests", "cache", "tmp", "damaged", "coffer.reserve"];

async function writeOne(store: Store, content: Held, given: string): Promise<string> {
  const target = isDirectory(given) ? resolvePath(given, content.name) : given;
  await writeOut(store, content, target);
  return target;
}

async function getAll(
  store: Store,
  io: Io,
  reader: Reader,
  artifact: ArtifactRow,
  inside: string | undefined,
  directory: string | undefined,
): Promise<number> {
  const { there, gone } = withDependencies(store, artifact);
  const contents: Held[] = [];
  // all are held before the first is read
  for (const one of there) contents.push(await hold(store, reader, one, one === artifact ? inside : undefined));
  const paths = directory === undefined ? await readablePaths(store, reader, contents) : await writeTogether(store, contents, directory);
  recordRead(store, reader, there);
  await writeManifests(store);
  const order = there.map((one, index) => ({ ref: artifactRef(one), ...got(one, contents[index] as Held, paths[index] as string) }));
  const { ref: _, ...own } = order.at(-1) as (typeof order)[number];
  io.print({ schema: "coffer.get/1", ...own, order, gone: gone.map((one) => one.id) }, (document) =>
    document.order.map(({ path }) => `${path}\n`).join(""),
  );
  for (const one of gone) io.say.warn(`${one.id} was deleted and is left out: coffer show ${one.id} tells when and why`);
  return gone.length > 0 ? EXIT.partly : EXIT.done;
}

function got({ id }: ArtifactRow, { digest, size }: Held, path: string): { id: string; path: string; digest: string; size: number } {
  return { id, path, digest, size };
}
