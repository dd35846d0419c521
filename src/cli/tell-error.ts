import { busyDatabase, isBusy } from "../db/wait/busy-database.ts";
import { damagedDatabase } from "../domain/damaged-database.ts";
import { troubleAdvice } from "../domain/disk-trouble.ts";
import { CofferError, EXIT, errno, isFull, isMalformed, reason } from "../domain/error.ts";
import { printable, printableLines } from "./table.ts";
import { writeAll } from "./write-all.ts";

const BUG = "This is a bug in coffer; nothing that was stored is lost. Please report it with these lines.";

/** Says what ended a command, on stderr, and returns the exit code: `failsWith` where the command has one of its own for its errors. Loaded when there is an error. */
export function tellError(error: unknown, { asJson, failsWith }: { asJson: boolean; failsWith: number | undefined }): number {
  return say(asCofferError(error), asJson, failsWith);
}

/**
 * Pages of the database may be malformed anywhere, so that any query may be the first to meet them; and with a rollback journal any query may find it busy.
 * @returns what is a bug as it is
 */
function asCofferError(error: unknown): unknown {
  if (error instanceof SuppressedError) {
    // the second came while things were put away after the first; told is the one that says what to do
    const [first, second] = [asCofferError(error.suppressed), asCofferError(error.error)];
    return first instanceof CofferError || !(second instanceof CofferError) ? first : second;
  }
  if (isFull(error) && !(error instanceof CofferError))
    return new CofferError("STORE_UNUSABLE", `a disk is full: ${reason(error)}`, { hint: "make room on it, then try again", cause: error });
  if (isFailing(error))
    return new CofferError("STORE_UNUSABLE", `a disk reports errors: ${reason(error)}`, {
      hint: `${troubleAdvice("failing")}, then try again`,
      cause: error,
    });
  if (isBusy(error)) return busyDatabase(error, { waited: 0 });
  return isMalformed(error) ? damagedDatabase(error) : error;
}

/** Whether a disk did not do what it was asked to. */
function isFailing(error: unknown): boolean {
  const code = errno(error);
  return !(error instanceof CofferError) && (code === "EIO" || (code?.startsWith("SQLITE_IOERR") ?? false));
}

function say(error: unknown, asJson: boolean, failsWith: number | undefined): number {
  const own = error instanceof CofferError ? error.exit : EXIT.failed;
  const exit = failsWith === undefined || own === EXIT.notExecutable || own === EXIT.commandNotFound ? own : failsWith;
  if (asJson) {
    const told =
      error instanceof CofferError ? error : { code: "INTERNAL", message: `internal error: ${trace(error)}`, hint: BUG, candidates: [] };
    const { code, message, hint, candidates } = told;
    writeAll(2, `${JSON.stringify({ schema: "coffer.error/1", code, message, hint, candidates, exit })}\n`);
  } else if (error instanceof CofferError) {
    // names in them come from files that anybody may have written
    writeAll(2, `coffer: error: ${printableLines(error.message)}\n`);
    for (const candidate of error.candidates) writeAll(2, `  ${printable(candidate)}\n`);
    if (error.hint) writeAll(2, `  hint: ${printableLines(error.hint)}\n`);
  } else writeAll(2, `coffer: internal error: ${printableLines(trace(error))}\n  ${BUG}\n`);
  return exit;
}

function trace(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
