import { readFileSync, statSync } from "node:fs";

/** The command of the keeper of a log, by the log's path. */
export type KeeperCommand = (path: string) => string[];

/**
 * How to start the `tee` that writes a log, so that neither our own death (SIGPIPE) nor a log that is larger than the user lets files be (SIGXFSZ, `ulimit -f`) ends it without
 * a word. One that sees to the first by itself is started as it is, where the second cannot come; any other one by a shell, which costs a program more. The program is looked at once, for
 * all logs.
 */
export function keeperCommand(tee: string): KeeperCommand {
  if (mayGrow() && ignoresBrokenPipes(tee)) return (path) => [tee, "-a", "-p", path];
  return (path) => ["/bin/sh", "-c", 'trap "" PIPE XFSZ; exec "$0" -a "$1"', tee, path];
}

/** Whether files may be of any size here; false where nobody says so. */
function mayGrow(): boolean {
  try {
    return /^Max file size +unlimited /m.test(readFileSync("/proc/self/limits", "latin1"));
  } catch {
    return false;
  }
}

/** The long name of `-p`, which GNU's tee has had since 8.24, and those of busybox and macOS have not. */
const OPTION = "output-error";
const ELF = Buffer.from("\x7fELF");
/** Bytes. A tee that is part of a larger program than this is asked nothing. */
const MOST = 4 << 20;

function ignoresBrokenPipes(tee: string): boolean {
  try {
    if (statSync(tee).size > MOST) return false;
    const program = readFileSync(tee);
    // a script may speak of an option that it does not take
    return program.subarray(0, ELF.length).equals(ELF) && program.includes(OPTION);
  } catch {
    return false;
  }
}
