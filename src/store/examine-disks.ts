import { existsSync, mkdtempSync, readdirSync, realpathSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { keepsExactTimes } from "../blobs/believed-stamp.ts";
import { removeTree } from "../blobs/remove-tree.ts";
import { tryDirectory } from "../blobs/try-directory.ts";
import type { DirectoryTrial } from "../blobs/try-directory.ts";
import type { Settings } from "../config/settings.ts";
import { tryDatabase } from "../db/open/try-database.ts";
import type { DatabaseTrial } from "../db/open/try-database.ts";
import { PROBE, probeDisk, troubleAdvice, troubleOf, troubleWords } from "../domain/disk-trouble.ts";
import { reason } from "../domain/error.ts";
import { fileSystemOf, journalFor } from "../domain/file-system.ts";
import type { FileSystem } from "../domain/file-system.ts";
import { findingsOf } from "../domain/finding.ts";
import type { Finding } from "../domain/finding.ts";
import { mountAround, mountTable } from "../domain/mount-table.ts";
import { LOCKS } from "./require-locks.ts";

const { ok, warn, fail } = findingsOf("disk");

/** What is left of a trial that was killed is older than this, in milliseconds. */
const STALE_MS = 3_600_000;
const SCRATCH = ".coffer-doctor-";
const LEFT = [SCRATCH, LOCKS, PROBE];
/** Fewer free inodes than this are worth a word. */
const SCARCE_INODES = 10_000;

/**
 * What the file systems of the store, the workspaces and the cache can do, and what coffer does about it. Tried in a directory of its own on each, which is removed
 * again; a root that is not there yet is looked at where it would be made.
 */
export function examineDisks(settings: Settings): Finding[] {
  const { store, workspace } = settings.roots;
  const roots = [
    { name: "store", path: nearest(store) },
    { name: "workspaces", path: nearest(workspace) },
    { name: "cache", path: nearest(join(store, "cache")) },
  ];
  const disks = [...Map.groupBy(roots, ({ path }) => statSync(path).dev).values()];
  return disks.flatMap((sharing) => {
    const lead = sharing[0]?.name === "store" ? "" : `${sharing.map(({ name }) => name).join(", ")}: `;
    const findings = examineDisk(sharing[0] as Root, settings);
    if (sharing.some(({ name }) => name === "workspaces")) findings.push(readingAhead(workspace, settings));
    return findings.map((one) => ({ ...one, what: lead + one.what }));
  });
}

interface Root {
  name: string;
  path: string;
}

function examineDisk(root: Root, settings: Settings): Finding[] {
  const findings: Finding[] = [];
  try {
    const system = fileSystemOf(root.path);
    findings.push(...systemFindings(root, system));
    const trouble = probeDisk(root.path);
    if (trouble) {
      findings.push(fail("trials", `nothing can be tried in ${root.path}: ${troubleWords(trouble)}`, troubleAdvice(trouble)));
      return findings;
    }
    inScratch(root.path, (scratch) => {
      if (root.name === "store") findings.push(...databaseFindings(tryDatabase(scratch), system, settings));
      findings.push(...trialFindings(tryDirectory(scratch), root, settings));
    });
    findings.push(inodes(root.path));
  } catch (error) {
    const trouble = troubleOf(error, root.path);
    findings.push(
      fail(
        "trials",
        `${root.path}: ${trouble ? troubleWords(trouble) : reason(error)}`,
        trouble ? troubleAdvice(trouble) : "see the message above",
      ),
    );
  }
  return findings;
}

/** Calls `work` with an empty directory, which goes afterwards, with what killed processes have left of their trials. */
function inScratch(directory: string, work: (scratch: string) => void): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (!LEFT.some((lead) => name.startsWith(lead))) continue;
    // it may go at this moment: another doctor's
    const changed = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
    if (Date.now() - changed > STALE_MS) removeTree(path);
  }
  const scratch = mkdtempSync(join(directory, SCRATCH));
  try {
    work(scratch);
  } finally {
    removeTree(scratch);
  }
}

/** By name and kind, and by what it was mounted with. */
function systemFindings({ path }: Root, { name, kind }: FileSystem): Finding[] {
  const mount = mountAround(realpathSync(path), mountTable());
  const where = `${mount?.type ?? name}${mount ? `, mounted at ${mount.point}` : ""}`;
  if (kind === "local") return [ok("file system", where)];
  if (kind === "memory") return [warn("file system", `${where}: gone when the machine stops`, "name a root on a disk for what is to last")];
  if (kind === "unknown")
    return [
      warn(
        "file system",
        `${where}: not known here, so that it is taken for one that other machines may write to`,
        "where it is this machine's alone, artifact_store.database_journal: wal makes the database faster",
      ),
    ];
  const findings = [
    warn(
      "file system",
      `${where}: other machines may write to it`,
      "where this one alone does, artifact_store.database_journal: wal makes the database faster; else let processes of one machine at a time write to the store, or keep its root on a disk",
    ),
  ];
  const lone = mount?.options.find((option) => ["nolock", "local_lock=all", "local_lock=posix", "nobrl"].includes(option));
  if (lone !== undefined)
    findings.push(fail("mount", `mounted with ${lone}: other machines know nothing of locks taken here`, `mount it without ${lone}`));
  return findings;
}

function databaseFindings({ locks, log }: DatabaseTrial, system: FileSystem, { values }: Settings): Finding[] {
  const findings: Finding[] = [];
  const elsewhere = "name a root on another file system: two writers at once would damage the database";
  if (locks === "work") findings.push(ok("locks", "a second process waits for the first"));
  else if (locks === "useless")
    findings.push(fail("locks", "two processes had one lock at the same time: no database is made here", elsewhere));
  else findings.push(fail("locks", `they cannot be taken: ${locks.fault}`, elsewhere));
  const wanted = values.artifact_store.database_journal;
  const mode = wanted === "auto" ? journalFor(system) : wanted;
  if (log === "works")
    findings.push(
      mode === "wal"
        ? ok("write-ahead log", "each of two processes sees what the other commits")
        : ok("write-ahead log", `works for processes of this machine; not used (database_journal: ${wanted})`),
    );
  else if (mode === "wal" && wanted === "wal")
    findings.push(
      fail("write-ahead log", `does not work: ${log.fault}`, "take artifact_store.database_journal: wal out of the configuration"),
    );
  else
    findings.push(
      ok("write-ahead log", `does not work (${log.fault}): the database is kept with a rollback journal, where readers wait for writers`),
    );
  return findings;
}

function trialFindings(trial: DirectoryTrial, root: Root, settings: Settings): Finding[] {
  const { rename, flush, links, clones, isCaseless, nameBytes, tick } = trial;
  const elsewhere = "name a root on another file system";
  const findings = [
    rename === undefined ? ok("rename", "takes the place of another file") : fail("rename", rename, elsewhere),
    flush.file === undefined ? ok("flush", flushWords(flush.directory)) : fail("flush", flush.file, elsewhere),
  ];
  if (typeof flush.directory === "object") findings.push(fail("flush", `of a directory: ${flush.directory.fault}`, elsewhere));
  findings.push(ok("clone", clones ? "files share bytes copy-on-write" : "there is none: files are copied"));
  if (root.name === "store") findings.push(ok("hard links", linkWords(links, settings)));
  if (isCaseless)
    findings.push(
      warn(
        "names",
        "capitals and small letters are the same: of two files of one directory that differ in them only, one cannot be written here",
        "read such directories (coffer get) on another file system",
      ),
    );
  if (nameBytes < 255)
    findings.push(warn("names", `${nameBytes} bytes at most: longer ones cannot be written here`, "give files shorter names"));
  if (!isCaseless && nameBytes === 255) findings.push(ok("names", "up to 255 bytes, capitals and small letters apart"));
  findings.push(
    tick < 1_000_000_000
      ? ok("times", `of change are kept to ${tick === 1 ? "the nanosecond" : `${tick} ns`}`)
      : warn(
          "times",
          `of change are kept to ${tick / 1_000_000_000} s: a stored file that somebody changes twice within that may pass for unchanged`,
          "coffer verify and coffer get -o hash every byte, whatever the times say",
        ),
  );
  return findings;
}

function flushWords(ofDirectory: DirectoryTrial["flush"]["directory"]): string {
  return ofDirectory === "refused"
    ? "files; of directories it is refused, as by some network systems, which keep names by themselves"
    : "files and directories";
}

function linkWords(links: boolean, { roots }: Settings): string {
  const isApart = statSync(nearest(roots.store)).dev !== statSync(nearest(roots.workspace)).dev;
  if (isApart) return `${links ? "" : "there are none; and "}workspaces lie on another file system: what scratch runs keep is copied`;
  return links ? "what scratch runs keep is linked, not copied" : "there are none: what scratch runs keep is copied";
}

/** Whether outputs can be read while the command goes on. */
function readingAhead(workspaces: string, { values }: Settings): Finding {
  const words = aheadWords(nearest(workspaces));
  if (words !== undefined) return ok("read ahead", `${words}: outputs are read when the command has ended`);
  return values.workspace.hash_ahead
    ? ok("read ahead", "outputs that are finished are read while the command goes on")
    : ok("read ahead", "it could be done, and is off (workspace.hash_ahead: false): outputs are read when the command has ended");
}

/** What keeps it from being done; undefined: nothing. */
function aheadWords(directory: string): string | undefined {
  if (process.platform !== "linux") return "not on this system, which does not tell who has a file open for writing";
  try {
    return keepsExactTimes(directory) ? undefined : `not on ${fileSystemOf(directory).name}, whose times do not tell each change`;
  } catch (error) {
    return `not here (${reason(error)})`;
  }
}

function inodes(path: string): Finding {
  const { files, ffree } = statfsSync(path);
  if (files === 0) return ok("inodes", "made as they are needed");
  const words = `${ffree} of ${files} are free`;
  return ffree < SCARCE_INODES
    ? warn("inodes", words, "remove files that nobody needs; coffer gc shows what can go. Small files take one together, in packs")
    : ok("inodes", words);
}

/** The directory itself, or the one above it that is there. */
export function nearest(directory: string): string {
  let at = directory;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  return at;
}
