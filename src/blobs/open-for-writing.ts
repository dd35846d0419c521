import { openLibc } from "../domain/libc.ts";

/** Linux's own numbers, on every machine that Bun runs on. */
const F_SETSIG = 10;
const F_SETLEASE = 1024;
const F_RDLCK = 0;
const F_UNLCK = 2;
const EAGAIN = 11;
/** Nobody minds it: unlike SIGIO, which would end us. */
const SIGURG = 23;

/**
 * Whether anybody on this machine has an opened file open for writing, or mapped so: any process, a loop device, a descriptor on its way through a socket. The kernel
 * is asked for a lease, which it refuses then; it is given back at once, since whoever wants to write would have to wait for that. The descriptor must be one that only
 * reads. undefined where the kernel, the file system or the file's owner does not let us ask.
 */
export function isOpenForWriting(fd: number): boolean | undefined {
  const asked = (kernel ??= load());
  if (!asked) return undefined;
  // who wants to write while we have the lease makes the kernel send us a signal
  if (asked.fcntl(fd, F_SETSIG, SIGURG) !== 0) return undefined;
  if (asked.fcntl(fd, F_SETLEASE, F_RDLCK) === 0) {
    asked.fcntl(fd, F_SETLEASE, F_UNLCK);
    return false;
  }
  return asked.errno() === EAGAIN ? true : undefined;
}

interface Kernel {
  fcntl(fd: number, command: number, argument: number): number;
  errno(): number;
}

let kernel: Kernel | false | undefined;

function load(): Kernel | false {
  if (process.platform !== "linux") return false;
  try {
    const { symbols, read } = openLibc({
      fcntl: { args: ["int", "int", "int"], returns: "int" },
      __errno_location: { args: [], returns: "ptr" },
    });
    const { fcntl, __errno_location } = symbols;
    // asked for now: a call in between could change what it says
    const place = __errno_location();
    return place === null ? false : { fcntl, errno: () => read.i32(place, 0) };
  } catch {
    return false;
  }
}
