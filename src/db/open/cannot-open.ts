import type { Database } from "bun:sqlite";
import { dirname } from "node:path";
import { REPLACE_DATABASE } from "../../domain/damaged-database.ts";
import { isShortage, probeDisk, troubleAdvice, troubleOf, troubleWords } from "../../domain/disk-trouble.ts";
import type { DiskTrouble } from "../../domain/disk-trouble.ts";
import { CofferError, errno, isMalformed, reason } from "../../domain/error.ts";
import { APPLICATION_ID, MIGRATIONS } from "./migrations.ts";

/** The error of a database that cannot be opened. */
export function unusable(path: string, error: unknown): CofferError {
  if (isMalformed(error))
    return new CofferError("STORE_DAMAGED", `the database ${path} is damaged: ${reason(error)}`, {
      hint: `${REPLACE_DATABASE}; it was not touched`,
      cause: error,
    });
  const directory = dirname(path);
  const trouble = troubleOf(error, directory) ?? (isWriteError(errno(error)) ? probeDisk(directory) : undefined);
  const isLocked = trouble === "read-only" || trouble === "denied";
  const advice = trouble
    ? troubleAdvice(trouble)
    : isWriteError(errno(error))
      ? "look whether its disk is full or failing"
      : "see the message above";
  return new CofferError(
    "STORE_UNUSABLE",
    `the store at ${path} cannot be opened${isLocked ? " for writing" : ""}: ${trouble ? troubleWords(trouble) : reason(error)}`,
    {
      hint: `${advice}${isShortage(trouble) ? "" : "; or name another store with --root"}`,
      cause: causeOf(trouble, error),
    },
  );
}

/** The error of a transaction that the disk did not take; undefined where something else was wrong. `isEnding`: it came with the COMMIT. */
export function unwritten(path: string, error: unknown, { isEnding }: { isEnding: boolean }): CofferError | undefined {
  const code = errno(error) ?? "";
  if (!isWriteError(code)) return undefined;
  const trouble = probeDisk(dirname(path)) ?? (code === "SQLITE_FULL" ? "full" : undefined);
  const told = new CofferError("STORE_UNUSABLE", `the database could not be written: ${trouble ? troubleWords(trouble) : reason(error)}`, {
    hint: `${trouble ? troubleAdvice(trouble) : "look whether its disk is full or failing"}, then try again; nothing of this was kept`,
    cause: causeOf(trouble, error),
  });
  // a write that was refused for want of room did not happen
  const isRefused = code === "SQLITE_IOERR_WRITE" && isShortage(trouble);
  if (isEnding && code.startsWith("SQLITE_IOERR") && !isRefused) uncertain.add(told);
  return told;
}

const uncertain = new WeakSet<object>();

/**
 * Of an error that ended a transaction. A disk that failed at its very end may show it all the same after a crash: then its rows need the files that they name, which
 * must stay. Where it does not, they are strays, which gc takes when they are older than the grace.
 */
export function isUncertain(error: unknown): boolean {
  return typeof error === "object" && error !== null && uncertain.has(error);
}

/** Says itself whether there was no room, which SQLite's error may not. */
function causeOf(trouble: DiskTrouble | undefined, error: unknown): unknown {
  if (!isShortage(trouble)) return error;
  return Object.assign(new Error(reason(error), { cause: error }), { code: trouble === "quota" ? "EDQUOT" : "ENOSPC" });
}

export function foreign(path: string): CofferError {
  return new CofferError("STORE_DAMAGED", `${path} is a database of another program`, { hint: "open another --root; it was not touched" });
}

export function newer(version: number): CofferError {
  return new CofferError("STORE_NEWER", `this store was written by a newer coffer (its version ${version}, ours ${MIGRATIONS.length})`, {
    hint: "upgrade coffer, or open another --root; nothing was changed",
  });
}

/**
 * Of a database that is open already, and that nothing is written to.
 * @throws CofferError STORE_DAMAGED, STORE_NEWER, STORE_UNUSABLE where it is of an older version
 */
export function requireOurs(path: string, db: Database): void {
  const { version, application } = db
    .query(
      "SELECT (SELECT user_version FROM pragma_user_version) AS version, (SELECT application_id FROM pragma_application_id) AS application",
    )
    .get() as { version: number; application: number };
  if (application !== APPLICATION_ID) throw foreign(path);
  if (version > MIGRATIONS.length) throw newer(version);
  if (version < MIGRATIONS.length)
    throw new CofferError(
      "STORE_UNUSABLE",
      `this store was written by an older coffer, and cannot be brought up to date: nothing can be written here`,
      {
        hint: "run any command where the store can be written, or copy it to a place of your own",
      },
    );
}

function isWriteError(code: string | undefined): boolean {
  return code === "SQLITE_FULL" || code === "SQLITE_CANTOPEN" || /^SQLITE_(IOERR|READONLY)/.test(code ?? "");
}
