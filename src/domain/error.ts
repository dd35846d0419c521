/**
 * Every error that a user can cause or meet carries a stable code; the code decides the exit code of the process.
 * A bug stays a plain `Error`.
 */

/** Exit codes of every command except `run`, which exits with its child's own code. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  partly: 3,
  notFound: 4,
  refused: 5,
  /** `run` only: coffer itself failed before the child began. */
  beforeChild: 125,
  notExecutable: 126,
  commandNotFound: 127,
  interrupted: 130,
  terminated: 143,
} as const;

const EXIT_OF = {
  USAGE: EXIT.usage,
  CONFIG_INVALID: EXIT.usage,
  NAME_INVALID: EXIT.usage,
  PATH_INVALID: EXIT.usage,
  VALUE_INVALID: EXIT.usage,
  AMBIGUOUS: EXIT.usage,
  ROOTS_OVERLAP: EXIT.usage,
  STORE_TYPE_UNUSABLE: EXIT.usage,
  NO_TRACKING_URI: EXIT.usage,
  NOT_FOUND: EXIT.notFound,
  DEPENDENCY_MISSING: EXIT.notFound,
  DEPENDENCY_CYCLE: EXIT.usage,
  DEPENDENCY_TOO_DEEP: EXIT.usage,
  COLLISION: EXIT.usage,
  BRANCH_MISMATCH: EXIT.usage,
  FEATURES_MISMATCH: EXIT.usage,
  STORE_NEWER: EXIT.refused,
  STORE_DAMAGED: EXIT.refused,
  UNCONFIRMED: EXIT.refused,
  PROTECTED: EXIT.refused,
  STORE_UNUSABLE: EXIT.failed,
  STORE_BUSY: EXIT.failed,
  UNREADABLE: EXIT.failed,
  OUTPUT_UNWRITABLE: EXIT.failed,
  CORRUPT: EXIT.failed,
  MANIFEST_INVALID: EXIT.failed,
  SERVER_UNREACHABLE: EXIT.partly,
  SERVER_REFUSED: EXIT.partly,
  INCOMPLETE: EXIT.partly,
  NOT_EXECUTABLE: EXIT.notExecutable,
  COMMAND_NOT_FOUND: EXIT.commandNotFound,
} as const;

export type ErrorCode = keyof typeof EXIT_OF;

interface Details {
  /** What the person should do next; one sentence. */
  hint?: string;
  cause?: unknown;
  /** References that would have been meant: for an ambiguous or unknown one. */
  candidates?: readonly string[];
}

export class CofferError extends Error {
  override readonly name = "CofferError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly candidates: readonly string[];

  constructor(code: ErrorCode, message: string, details: Details = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.candidates = details.candidates ?? [];
  }

  get exit(): number {
    return EXIT_OF[this.code];
  }
}

/** The message of anything that was thrown. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a system error (`ENOENT`, `EACCES`, …), or undefined. */
export function errno(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
}

/** Whether SQLite met pages of a database that are not what they should be, or a table is not there that was made with it. */
export function isMalformed(error: unknown): boolean {
  const code = errno(error);
  if (code === "SQLITE_ERROR" && error instanceof Error && error.message.startsWith("no such table: ")) return true;
  return code === "SQLITE_NOTADB" || (code?.startsWith("SQLITE_CORRUPT") ?? false);
}

/** Whether a disk takes nothing more: it is full, or its user has used up what is allowed. Also of an error that has one of these as its cause. */
export function isFull(error: unknown): boolean {
  const code = errno(error);
  if (code === "ENOSPC" || code === "EDQUOT" || code === "SQLITE_FULL") return true;
  const cause = error instanceof Error ? error.cause : undefined;
  return cause !== undefined && isFull(cause);
}
