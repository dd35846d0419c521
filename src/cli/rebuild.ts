import { EXIT } from "../domain/error.ts";
import { countOf, formatBytes } from "../domain/quantity.ts";
import { matterWith } from "../manifest/rebuild/matter.ts";
import { rebuild } from "../manifest/rebuild/rebuild.ts";
import type { Rebuilt } from "../manifest/rebuild/rebuild.ts";
import { command } from "./command.ts";
import type { Io } from "./io.ts";
import { catchStopSignal } from "./stop-signal.ts";
import { printable } from "./table.ts";
import { writeManifests } from "./write-manifests.ts";

const SAID = 20;

export default command(
  {
    flags: {
      "dry-run": { type: "boolean", description: "look at everything and say what a rebuild would make; changes nothing" },
      force: { type: "boolean", description: "also where the database is whole" },
    },
    about: `Makes coffer.db again where it is lost or damaged: from manifests/, its journal.jsonl, the names of files below binaries/, and packs. Every file is hashed. The old database is set aside as coffer.db.<time> with its log, and never deleted.

What manifests name and is not there, or is damaged, keeps its row, so that coffer verify --repair can bring it back. Whole bytes that no manifest names stay too. A run that had not ended is known by its workspace alone: it is closed, and its workspace stays as it is.

gc deletes nothing afterwards until somebody has looked and says so: coffer gc --apply --yes.`,
    examples: [
      ["coffer rebuild --dry-run", "what could be made again"],
      ["coffer rebuild", "do it"],
    ],
    exits: {
      "3": "made, and something is missing, damaged or could not be read; each is listed",
      "4": "there is nothing to rebuild from",
      "5": "refused: the database is whole (--force), newer, or a process is at work in the store",
      "130": "interrupted; nothing was changed",
    },
  },
  async ({ flags, io }) => {
    if (flags.force && !flags["dry-run"]) await adoptFirst(io);
    const stop = catchStopSignal();
    let rebuilt: Rebuilt;
    try {
      rebuilt = await rebuild(await io.settings(), {
        force: flags.force,
        dryRun: flags["dry-run"],
        now: io.now,
        check: () => stop.signal.throwIfAborted(),
      });
    } catch (error) {
      if (!stop.isThere()) throw error;
      io.say.warn("interrupted; nothing was changed");
      return stop.exit();
    }
    const left = flags["dry-run"] ? rebuilt.left.map((run) => ({ ...run, state: "running" })) : await adopt(io, rebuilt);
    io.print({ schema: "coffer.rebuild/1", dry_run: flags["dry-run"], ...rebuilt, left }, render);
    sayWhatHappened(io, rebuilt, left, flags["dry-run"]);
    return rebuilt.damage.length + rebuilt.unread.length + rebuilt.notes.length > 0 ? EXIT.partly : EXIT.done;
  },
);

/** A whole database knows more of runs that died than their workspaces do. */
async function adoptFirst(io: Io): Promise<void> {
  if (matterWith((await io.settings()).roots.store, true).because === "forced") (await io.openStore({ make: false }))[Symbol.dispose]();
}

type Left = Rebuilt["left"][number] & { state: string };

/** Runs whose end no manifest tells of are closed, and get one. */
async function adopt(io: Io, { left }: Rebuilt): Promise<Left[]> {
  using store = await io.openStore({ make: false, adopt: false });
  const { adoptLeft } = await import("../run/adopt/adopt-left.ts");
  const runs = new Map(
    (
      await adoptLeft(
        store,
        left.map(({ id }) => id),
      )
    ).map((run) => [run.id, run.state]),
  );
  await writeManifests(store);
  return left.map((run) => ({ ...run, state: runs.get(run.id) ?? "running" }));
}

function render({ damage, unread, notes }: Pick<Rebuilt, "damage" | "unread" | "notes">): string {
  return [
    ...damage.map(({ what, path, digest, detail }) => `${what}  ${path}  ${digest}  ${detail}`),
    ...unread.map(({ manifest, because }) => `unread  ${manifest}  ${because}`),
    ...notes.map((words) => `note  ${words}`),
  ]
    .map((line) => `${printable(line)}\n`)
    .join("");
}

function sayWhatHappened(io: Io, rebuilt: Rebuilt, left: readonly Left[], dryRun: boolean): void {
  const { say } = io;
  const { blobs, orphans, damage, unread, notes } = rebuilt;
  const why = { missing: "the database is lost", damaged: `the database is damaged: ${rebuilt.detail}`, forced: "the database is whole" };
  say.info(why[rebuilt.because]);
  say.info(
    `${dryRun ? "to be made" : "made"}: ${countOf(rebuilt.runs, "run")}, ${countOf(rebuilt.artifacts, "artifact")}; ${countOf(blobs.files, "file")} and ${countOf(blobs.packed, "blob")} in ${countOf(blobs.packs, "pack")} (${formatBytes(blobs.bytes)}); ${countOf(rebuilt.journal_lines, "line")} of the journal`,
  );
  if (rebuilt.aside !== null) say.info(`the old database is ${rebuilt.aside} now`);
  for (const { id, workspace, state } of left.slice(0, SAID))
    say.warn(
      `no manifest tells how run ${id} ended: ${state === "running" ? (dryRun ? "it would be closed, or go on" : "it goes on, and is adopted when it has ended") : `it is ${state}`}; its workspace stays: ${workspace}`,
    );
  if (left.length > SAID) say.warn(`${left.length - SAID} more runs like these; --json has them all`);
  if (orphans.length > 0)
    say.warn(
      `${countOf(orphans.length, "blob")} (${formatBytes(orphans.reduce((sum, { bytes }) => sum + bytes, 0))}) of which no manifest tells; --json lists them`,
    );
  const wrong = damage.length + unread.length + notes.length;
  if (wrong > 0)
    say.error(
      `${wrong === 1 ? "1 thing is not as it was; it is listed" : `${wrong} things are not as they were; they are listed`}. coffer verify --repair looks for other copies of damaged bytes`,
    );
  if (dryRun) say.info("nothing was changed: run it again without --dry-run");
  else say.info("gc deletes nothing until you have looked at coffer ls and coffer gc, and say coffer gc --apply --yes");
}
