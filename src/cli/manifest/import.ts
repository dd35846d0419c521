import { resolve } from "node:path";
import { EXIT } from "../../domain/error.ts";
import { countOf, formatBytes } from "../../domain/quantity.ts";
import { knownSecrets } from "../../domain/redact.ts";
import { findManifests } from "../../manifest/import/find-manifests.ts";
import { importManifests } from "../../manifest/import/import-manifests.ts";
import type { Imported } from "../../manifest/import/import-manifests.ts";
import { command } from "../command.ts";
import type { Io } from "../io.ts";
import { table } from "../table.ts";
import { undoAtStop } from "../undo-at-stop.ts";
import { writeManifests } from "../write-manifests.ts";

export default command(
  {
    positionals: [
      { name: "PATH", description: "a manifest, or a directory with runs/ and binaries/ in it", required: true, variadic: true },
    ],
    flags: { copy: { type: "boolean", description: "take the bytes into the store, each held against its digest" } },
    about: `Takes records over from manifests of schema 2.0, or of the list that came before. All of them, or none: nothing is stored where a manifest is broken, of another version, or
names what is nowhere.

Bytes stay where they lie, and are not read now: the first use (get, export, verify, a delivery) reads them, and hands out only what has the right digest. gc never deletes them.
With --copy they are taken into the store, as are directories, and what lies in the store or in a run's workspace. The same manifest again adds only what is new in it,
and finds bytes that lie elsewhere by now.`,
    examples: [
      ["coffer manifest import ../theirs", "every manifest in a directory's runs/"],
      ["coffer manifest import old/manifest.yaml --copy", "one, with its bytes"],
    ],
    exits: {
      "1": "a manifest is broken, or with --copy a file is not what it says: nothing was stored",
      "3": "imported, but bytes of some records are not there",
      "4": "there is nothing at PATH, or a record depends on what is nowhere: nothing was stored",
      "130": "interrupted; nothing was stored",
    },
  },
  async ({ flags, positionals, io }) => {
    const found = positionals.flatMap((path) => findManifests(resolve(io.cwd, path)));
    using store = await io.openStore();
    let imported: Imported;
    {
      using _ = undoAtStop(io, store);
      imported = await importManifests(store, found, { copy: flags.copy, secrets: knownSecrets(io.env) });
    }
    await writeManifests(store);
    io.print(
      {
        schema: "coffer.manifest-import/1",
        ...imported,
        manifests: imported.manifests.map(({ run, ...rest }) => ({ ...rest, run: run.id })),
      },
      (document) =>
        table(
          ["RUN", "STATE", "NEW", "KNOWN"],
          document.manifests.map(({ run, state, artifacts, known }) => [run, state, `${artifacts}`, `${known}`]),
          "",
        ),
    );
    say(io, imported);
    return imported.missing.length > 0 ? EXIT.partly : EXIT.done;
  },
);

const SHOWN = 20;

function say(io: Io, { manifests, unverified, relocated, copied, missing, renumbered, notes }: Imported): void {
  for (const { path, state, artifacts, known } of manifests) {
    if (state === "known" && missing.length === 0) io.say.info(`${path}: the store has all of it already`);
    else if (state === "grown") io.say.info(`${path}: ${countOf(artifacts, "record is", "records are")} new; the store had ${known}`);
  }
  for (const note of notes) io.say.warn(note);
  for (const { id, said, given } of renumbered.slice(0, SHOWN)) io.say.warn(`${id}: another has version ${said}, so this one is ${given}`);
  for (const { id, path, why } of missing.slice(0, SHOWN)) io.say.warn(`${id}: ${path}: ${why}`);
  for (const list of [renumbered, missing]) if (list.length > SHOWN) io.say.warn(`and ${list.length - SHOWN} more: see --json`);
  if (copied.files > 0) io.say.info(`${countOf(copied.files, "file")} taken into the store, ${formatBytes(copied.bytes)}`);
  if (unverified > 0)
    io.say.info(
      `${countOf(unverified, "file stays where it is, and is", "files stay where they are, and are")} read at the first use, or by coffer verify`,
    );
  if (relocated > 0)
    io.say.info(
      `${countOf(relocated, "file is", "files are")} looked for here from now on: where an earlier import had left them, they are gone`,
    );
}
