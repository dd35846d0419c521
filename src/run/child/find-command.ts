import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { CofferError, errno } from "../../domain/error.ts";

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The file that a command would run, looked up as execvp does, so that what cannot start is reported before anything is made for it.
 * undefined where only the system can tell (a name that is not UTF-8).
 * @throws CofferError COMMAND_NOT_FOUND, NOT_EXECUTABLE, PATH_INVALID for a directory that is gone
 */
export function findCommand(command: readonly string[], cwd: string, env: Env): string | undefined {
  const name = command[0] ?? "";
  if (!isDirectory(cwd))
    throw new CofferError("PATH_INVALID", `the working directory is gone: ${cwd}`, { hint: "change to a directory that exists" });
  if (name === "") throw new CofferError("COMMAND_NOT_FOUND", "the command is empty", { hint: "coffer run -- COMMAND …" });
  const found = name.includes("/") ? resolve(cwd, name) : searchPath(name, cwd, env["PATH"]);
  const fault = found === undefined ? "ENOENT" : faultOf(found);
  if (found !== undefined && fault === undefined) {
    checkInterpreter(name, found, cwd);
    return found;
  }
  if (name.includes("\uFFFD")) return undefined;
  throw startFault(name, fault ?? "ENOENT");
}

/** The error for a command that could not be started with this code of the system's. */
export function startFault(name: string, code: string): CofferError {
  if (code === "ENOENT" || code === "ENOTDIR")
    return new CofferError("COMMAND_NOT_FOUND", `command not found: ${name}`, {
      hint: name.includes("/") ? "check the path" : "check its name and PATH; shell syntax needs sh -c '…'",
    });
  const why: Record<string, string> = {
    EACCES: "it is not executable",
    EISDIR: "it is a directory",
    ENOEXEC: "it is no program for this machine",
    E2BIG: "its arguments and environment are too long",
    ETXTBSY: "it is being written",
  };
  return new CofferError("NOT_EXECUTABLE", `cannot run ${name}: ${why[code] ?? code}`, {
    hint: code === "EACCES" ? `chmod +x, or name its interpreter` : "run it without coffer to see more",
  });
}

/** As shells tell: a file with a NUL in its beginning is no script. */
export function looksBinary(file: string): boolean {
  return readHead(file).includes(0);
}

function searchPath(name: string, cwd: string, path = "/usr/local/bin:/usr/bin:/bin"): string | undefined {
  let seen: string | undefined;
  for (const part of path.split(":")) {
    const file = join(isAbsolute(part) ? part : resolve(cwd, part), name);
    const fault = faultOf(file);
    if (fault === undefined) return file;
    // like the shell: what is there and may not be run is remembered, the search goes on
    if (fault === "EACCES" || fault === "EISDIR") seen ??= file;
  }
  return seen;
}

function faultOf(file: string): string | undefined {
  try {
    if (statSync(file).isDirectory()) return "EISDIR";
    accessSync(file, constants.X_OK);
    return undefined;
  } catch (error) {
    return errno(error) ?? "EACCES";
  }
}

/** `#!/no/such/python` gives ENOENT at start, which reads as if the script itself were missing. */
function checkInterpreter(name: string, file: string, cwd: string): void {
  const interpreter = /^#![ \t]*([^\s\0]+)/.exec(readHead(file).toString("utf8"))?.[1];
  if (interpreter !== undefined && faultOf(resolve(cwd, interpreter)) === "ENOENT")
    throw new CofferError("COMMAND_NOT_FOUND", `cannot run ${name}: its interpreter ${interpreter} does not exist`, {
      hint: "correct its first line, or name the interpreter in the command",
    });
}

/** The first bytes of a file; none if it may be executed, but not read. */
function readHead(file: string): Buffer {
  const head = Buffer.alloc(256);
  try {
    const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return head.subarray(0, readSync(fd, head, 0, head.length, 0));
    } finally {
      closeSync(fd);
    }
  } catch {
    return head.subarray(0, 0);
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
