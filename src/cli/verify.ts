import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { CofferError, EXIT, isMalformed, reason } from "../domain/error.ts";
import { repairWhole, verifyWhole } from "../manifest/check/whole-store.ts";
import type { Store } from "../store/store.ts";
import { databaseDamage } from "../store/damage/verify.ts";
import type { Verified } from "../store/damage/verify.ts";
import { command } from "./command.ts";
import type { Io } from "./io.ts";
import { catchStopSignal } from "./stop-signal.ts";
import type { StopSignal } from "./stop-signal.ts";
import { reportOf } from "./verify/report.ts";
import { linesOf, sumUp } from "./verify/words.ts";
import type { Repair } from "../store/damage/repair.ts";

export default command(
  {
    flags: {
      sample: { type: "string", valueHint: "N%", description: "read only a random part of the blobs, and one at least" },
      resume: {
        type: "boolean",
        description: "go on where the last call was interrupted; with --repair too, which begins when all is read",
      },
      repair: { type: "boolean", description: "restore what is damaged from other copies" },
      from: {
        type: "string",
        valueHint: "DIR",
        multiple: true,
        description: "with --repair: look for copies in this directory too, such as a backup",
      },
    },
    about: `Reads every byte again and holds it against its digest; looks at packs, directories, rows and the database. What is damaged is noted: until it is whole, nobody gets it, and gc takes nothing that may be a copy of it. Bytes that an import left elsewhere, and that nobody has read, count as read from then on.

--repair looks for another copy of what is lost or changed: in the workspace it came from, elsewhere in the store, in the cache, below each --from, and on the MLflow server. Each copy is hashed before it is used. What was damaged moves to damaged/ below the store's root; remove it when you like.`,
    examples: [
      ["coffer verify", "all of it"],
      ["coffer verify --sample 1%", "a look"],
      ["coffer verify --repair --from /mnt/backup/coffer", "mend it, with a backup at hand"],
    ],
    exits: {
      "0": "all is whole, or was repaired",
      "1": "something is damaged or missing, or stays so after --repair; each is listed",
      "3": "all bytes are whole, and something else could not be repaired",
      "130": "interrupted; what was found so far is said",
    },
  },
  async ({ flags, io }) => {
    const share = flags.sample === undefined ? 1 : shareOf(flags.sample);
    if (flags.resume && share < 1) throw new CofferError("USAGE", "--resume does not go with --sample", { hint: "leave one of them out" });
    const directories = flags.from.map((given) => directoryAt(io, given));
    if (directories.length > 0 && !flags.repair) throw new CofferError("USAGE", "--from goes with --repair", { hint: "add --repair" });
    const stop = catchStopSignal();
    using opened = await openOrDamage(io, flags.repair ? "write" : "read");
    const { store } = opened;
    const asked = { share, random: Math.random, resume: flags.resume, stop: stop.isThere };
    const found = store ? await verifyWhole(store, asked) : opened.found;
    const isAsked = flags.repair && store !== undefined && !found.interrupted;
    let repaired: Repair | undefined;
    let failure: CofferError | undefined;
    try {
      if (isAsked) repaired = await mend(store, found, { directories, io, stop });
    } catch (error) {
      if (!(error instanceof CofferError)) throw error;
      // a full disk: what was found is told first
      failure = error;
    }
    const report = await reportOf(store, found, repaired);
    io.print(report, linesOf);
    sumUp(io, report, { isResumed: flags.resume, isSample: share < 1, isRepair: flags.repair });
    if (failure) throw failure;
    if (report.interrupted) return stop.exit();
    if (report.damage.length > 0) return EXIT.failed;
    return report.repair && report.repair.failed.length > 0 ? EXIT.partly : EXIT.done;
  },
);

function shareOf(given: string): number {
  const share = given.endsWith("%") ? Number(given.slice(0, -1) || NaN) / 100 : NaN;
  if (share > 0 && share <= 1) return share;
  const meant = Number(given) > 0 && Number(given) <= 100 ? given : "1";
  throw new CofferError("USAGE", `not a share: “${given}”`, { hint: `write --sample ${meant}%` });
}

/** A database that is too damaged to be opened, or lost, is what this command is to find. Runs of dead processes are left alone: their bytes are not looked for. */
async function openOrDamage(io: Io, access: "read" | "write"): Promise<Disposable & { store?: Store; found: Verified }> {
  const found: Verified = { blobs: 0, bytes: 0, unverified: 0, damage: [], touched: [], interrupted: false };
  try {
    const store = await io.openStore({ make: false, adopt: false, access });
    return { store, found, [Symbol.dispose]: () => store[Symbol.dispose]() };
  } catch (error) {
    const isLost = error instanceof CofferError && error.code === "STORE_DAMAGED";
    if (!isLost && !isMalformed(error) && !isMalformed((error as Error).cause)) throw error;
    const { roots } = await io.settings();
    found.damage.push(databaseDamage(join(roots.store, "coffer.db"), reason(error)));
    return { found, [Symbol.dispose]: () => undefined };
  }
}

async function mend(store: Store, found: Verified, given: { directories: readonly string[]; io: Io; stop: StopSignal }): Promise<Repair> {
  const { directories, io, stop } = given;
  const { serverCopies } = await import("../sync/files/server-copies.ts");
  const server = serverCopies(store, { env: io.env, signal: stop.signal });
  return repairWhole(store, found, { directories, elsewhere: server ? [server] : [], stop: stop.isThere });
}

function directoryAt(io: Io, given: string): string {
  const path = resolve(io.cwd, given);
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new CofferError("PATH_INVALID", `--from ${given} is no directory`, {
      hint: "name a directory that has copies of stored files, such as a backup",
    });
  return path;
}
