import { EXIT } from "../domain/error.ts";
import { countOf, formatBytes } from "../domain/quantity.ts";
import { resolve } from "node:path";
import { backUp } from "../store/database/backup.ts";
import { command } from "./command.ts";
import { catchStopSignal } from "./stop-signal.ts";

export default command(
  {
    positionals: [{ name: "DIR", description: "a directory that does not exist yet, or is empty", required: true }],
    flags: { "with-bytes": { type: "boolean", description: "also all bytes: DIR is a whole store then" } },
    about: `Copies the database as it is at one moment, with manifests and journal, while others work. --with-bytes copies the stored bytes too; until it is done, gc takes nothing.
DIR appears when all of it is on the disk.

To use it, name it with --root, or put its coffer.db in the place of a lost one. Workspaces, the cache, MLflow's tree and files that imports left where they were are not in it.`,
    examples: [
      ["coffer backup /mnt/backup/coffer-2026-05-01", "the rows: all that coffer knows"],
      ["coffer backup /mnt/backup/whole --with-bytes", "a second store"],
    ],
    exits: {
      "3": "some bytes are damaged or gone in the store itself; the rest is backed up",
      "5": "DIR holds something, or lies in the store",
      "130": "interrupted; nothing was left",
    },
  },
  async ({ flags, positionals, io }) => {
    using store = await io.openStore({ make: false, access: "read" });
    const stop = catchStopSignal();
    const done = await backUp(store, resolve(io.cwd, positionals[0] as string), {
      withBytes: flags["with-bytes"],
      stop: stop.isThere,
    });
    if (!done) {
      io.say.warn("interrupted; nothing was left");
      return stop.exit();
    }
    io.print({ schema: "coffer.backup/1", ...done }, ({ path }) => path);
    const bytes = done.bytes
      ? `, and ${countOf(done.bytes.files, "file")} (${formatBytes(done.bytes.bytes)})`
      : "; the bytes are not (--with-bytes)";
    io.say.info(
      `${countOf(done.runs, "run")} and ${countOf(done.artifacts, "artifact")} are backed up (${formatBytes(done.database_bytes)})${bytes}`,
    );
    if (done.foreign.files > 0)
      io.say.info(
        `${countOf(done.foreign.files, "file")} (${formatBytes(done.foreign.bytes)}) that imports left where they were are not in it`,
      );
    for (const { path, error } of done.failed) io.say.error(`${path} is not whole in it: ${error}`);
    return done.failed.length > 0 ? EXIT.partly : EXIT.done;
  },
);
