import { readFileSync, writeSync } from "node:fs";
import { STDOUT_INFO, wasClosedByInfo } from "./closed-stdout.ts";
import { CofferError, errno, isFull, reason } from "../domain/error.ts";

/**
 * Writes all of it, also to a pipe that is full for the moment. Data whose reader has gone away ends the process quietly, as SIGPIPE would, but with the
 * exit code that stands already. Words on stderr that nobody can hear are left unsaid: what goes on does not depend on them.
 * @throws CofferError OUTPUT_UNWRITABLE for data that stdout does not take
 */
export function writeAll(fd: 1 | 2, text: string): void {
  const bytes = Buffer.from(text);
  if (fd === 1 && bytes.length > 0 && wasClosed()) throw unwritable("it is closed");
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if (errno(error) === "EAGAIN") Bun.sleepSync(1);
      else if (fd === 2) return;
      else if (errno(error) === "EPIPE") process.exit(process.exitCode ?? 141);
      else throw unwritable(isFull(error) ? "there is no space left" : reason(error), error);
    }
  }
}

let closed: boolean | undefined;

function wasClosed(): boolean {
  if (closed === undefined && process.platform === "linux") {
    try {
      closed = wasClosedByInfo(readFileSync(STDOUT_INFO, "latin1"));
    } catch {
      // no /proc: what is written tells
    }
  }
  return (closed ??= false);
}

function unwritable(why: string, cause?: unknown): CofferError {
  return new CofferError("OUTPUT_UNWRITABLE", `standard output cannot be written: ${why}`, {
    hint: "name another place for it; what the command did stands",
    ...(cause !== undefined && { cause }),
  });
}
