import { openLibc } from "../domain/libc.ts";

/** Of cachestat(2), on every machine; Linux has it from 6.5 on. */
const CACHESTAT = 451;

/**
 * Whether all that the page cache has of an opened file is on its way to the disk no more. Whoever writes through a mapping from then on makes the kernel note it, in ctime too.
 * False where nothing of it is in memory, and where the kernel does not say.
 */
export function isWrittenOut(fd: number): boolean {
  const asked = (kernel ??= load());
  return asked !== false && asked(fd);
}

let kernel: ((fd: number) => boolean) | false | undefined;

function load(): ((fd: number) => boolean) | false {
  if (process.platform !== "linux") return false;
  try {
    const { symbols, ptr } = openLibc({ syscall: { args: ["i64", "int", "ptr", "ptr", "int"], returns: "int" } });
    // offset and length; a length of 0 is the whole
    const range = new BigUint64Array(2);
    // pages: cached, dirty, being written, evicted, evicted of late. In halves, since a bigint would be made of each word, for each of many files
    const pages = new Uint32Array(10);
    const [from, to] = [ptr(range), ptr(pages)];
    const isSome = (nth: number): boolean => pages[2 * nth] !== 0 || pages[2 * nth + 1] !== 0;
    return (fd) => symbols.syscall(CACHESTAT, fd, from, to, 0) === 0 && isSome(0) && !isSome(1) && !isSome(2);
  } catch {
    return false;
  }
}
