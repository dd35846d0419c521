import { Database } from "bun:sqlite";
import { join } from "node:path";
import { errno, reason } from "../../domain/error.ts";

/** What two processes see of each other's databases in a directory. A text says what went wrong, in SQLite's words or ours. */
export interface DatabaseTrial {
  /** `useless`: two processes had one lock at the same time. */
  locks: "work" | "useless" | { fault: string };
  /** Whether each sees in a write-ahead log what the other has committed. */
  log: "works" | { fault: string };
}

/**
 * Tries, with a second process, whether databases can be kept in a directory: a write lock that keeps the other away, and a write-ahead log that both read and write. Its files
 * stay: the caller removes the directory.
 */
export function tryDatabase(directory: string): DatabaseTrial {
  const files = filesIn(directory);
  const faults: { locks?: string; log?: string } = {};
  let locks: Database | undefined;
  let log: Database | undefined;
  try {
    locks = attempt(faults, "locks", () => lockedAt(files.locks));
    log = attempt(faults, "log", () => loggedAt(files.log));
    const other = askOther(directory, [files.locks, files.log]);
    return {
      locks: locksOf(other, faults.locks),
      log: (log && attempt(faults, "log", () => logOf(other, log as Database))) ?? { fault: faults.log ?? "" },
    };
  } finally {
    locks?.close(false);
    log?.close(false);
  }
}

/** Whether a lock keeps another process away. */
export function tryLocks(directory: string): DatabaseTrial["locks"] {
  const { locks: file } = filesIn(directory);
  const faults: { locks?: string } = {};
  const locks = attempt(faults, "locks", () => lockedAt(file));
  try {
    return locksOf(askOther(directory, [file]), faults.locks);
  } finally {
    locks?.close(false);
  }
}

function filesIn(directory: string): { locks: string; log: string } {
  return { locks: join(directory, "locks.db"), log: join(directory, "log.db") };
}

function attempt<T>(faults: { locks?: string; log?: string }, which: "locks" | "log", work: () => T): T | undefined {
  if (faults[which] !== undefined) return undefined;
  try {
    return work();
  } catch (error) {
    faults[which] = wordsOf(error);
    return undefined;
  }
}

function wordsOf(error: unknown): string {
  const code = errno(error);
  return code?.startsWith("SQLITE_BUSY") ? "no lock is given, although nobody has one" : reason(error);
}

function lockedAt(path: string): Database {
  const db = new Database(path, { create: true, readwrite: true });
  db.run("PRAGMA journal_mode = DELETE");
  db.run("CREATE TABLE seen (by TEXT)");
  db.run("BEGIN IMMEDIATE");
  db.run("INSERT INTO seen VALUES ('one')");
  return db;
}

function loggedAt(path: string): Database {
  const db = new Database(path, { create: true, readwrite: true });
  const { journal_mode: mode } = db.query("PRAGMA journal_mode = WAL").get() as { journal_mode: string };
  if (mode !== "wal") throw new Error("SQLite refuses it here");
  db.run("CREATE TABLE seen (by TEXT)");
  db.run("INSERT INTO seen VALUES ('one')");
  return db;
}

/** What the other process says: each a word of its own, or an error. Of a log that is not named: none. */
interface Other {
  lock: string;
  log: string;
}

/** Run by another process, from a text: it has nothing of ours but SQLite. */
const OTHER = `
  import { Database } from "bun:sqlite";
  const [locks, log] = process.argv.slice(1);
  const tell = (work) => { try { return work(); } catch (error) { return String(error.code ?? "") + " " + error.message; } };
  const lock = tell(() => { const db = new Database(locks, { readwrite: true }); db.run("PRAGMA busy_timeout = 0"); db.run("BEGIN IMMEDIATE"); return "given"; });
  const logged = log === undefined ? "" : tell(() => {
    const db = new Database(log, { readwrite: true }); db.run("PRAGMA busy_timeout = 1000");
    const { n } = db.query("SELECT count(*) AS n FROM seen").get();
    db.run("INSERT INTO seen VALUES ('other')");
    return "saw " + n;
  });
  console.log(JSON.stringify({ lock, log: logged }));
  process.exit(0);`;

function askOther(directory: string, files: readonly string[]): Other {
  // our own binary as the plain Bun that is in it
  const { stdout, stderr, exitCode } = Bun.spawnSync([process.execPath, "-e", OTHER, ...files], {
    cwd: directory,
    env: { BUN_BE_BUN: "1" },
    stderr: "pipe",
    timeout: 20_000,
  });
  try {
    return JSON.parse(stdout.toString()) as Other;
  } catch {
    const fault = `the second process did not answer (${exitCode ?? "stopped"}): ${stderr.toString().trim().slice(0, 200)}`;
    return { lock: fault, log: fault };
  }
}

function locksOf({ lock }: Other, own: string | undefined): DatabaseTrial["locks"] {
  if (own !== undefined) return { fault: own };
  if (lock.startsWith("SQLITE_BUSY")) return "work";
  return lock === "given" ? "useless" : { fault: lock };
}

function logOf({ log }: Other, db: Database): DatabaseTrial["log"] {
  if (log !== "saw 1") return { fault: log.startsWith("saw") ? "the other process did not see what was committed" : log };
  const { n } = db.query("SELECT count(*) AS n FROM seen").get() as { n: number };
  return n === 2 ? "works" : { fault: "what the other process committed was not seen" };
}
