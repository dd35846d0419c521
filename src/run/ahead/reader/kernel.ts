import { writeFileSync } from "node:fs";
import { openLibc } from "../../../domain/libc.ts";

const SCHED_IDLE = 5;
const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_CLASS_IDLE = 3 << 13;
const IOPRIO_SET: Readonly<Record<string, number>> = { x64: 251, arm64: 30 };
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
/** Write these pages out now, and wait until that is done. */
const RANGE_WRITE_AND_WAIT = 7;
const POSIX_FADV_DONTNEED = 4;

/**
 * Where sessions share the processors (autogroups), a priority counts within a session only, and ours is a session of its own: it would get as much as the command and all that it started.
 * Where there are none of them, or another one's, this changes nothing.
 */
function yieldAsSession(): void {
  try {
    writeFileSync("/proc/self/autogroup", "19");
  } catch {
    // a kernel without them
  }
}

/** What Node has no words for. Linux. */
export interface Kernel {
  /** From here on this thread, and whatever it starts, gets what nobody else wants of processor and disk. Nobody can take that back. */
  yieldToAll(): void;
  /** This process ends when the one that started it does, however that ends. */
  endWithParent(): void;
  /**
   * Bytes of an open file reach the disk, but not what is needed to find them there: fsync has to follow. False where that failed: the kernel tells it once, so that a later fsync of
   * this descriptor would succeed.
   */
  writeOut(fd: number, from: number, length: number): boolean;
  /** Nobody is going to read these bytes soon: others may have their memory. */
  forget(fd: number, from: number, length: number): void;
}

export function loadKernel(): Kernel {
  const { symbols } = openLibc({
    sched_setscheduler: { args: ["int", "int", "buffer"], returns: "int" },
    syscall: { args: ["i64", "i64", "i64", "i64"], returns: "i64" },
    prctl: { args: ["int", "u64", "u64", "u64", "u64"], returns: "int" },
    sync_file_range: { args: ["int", "i64", "i64", "u32"], returns: "int" },
    posix_fadvise: { args: ["int", "i64", "i64", "int"], returns: "int" },
  });
  // but for the flush, each is a courtesy: where the kernel refuses, the work is done all the same
  return {
    yieldToAll() {
      yieldAsSession();
      symbols.sched_setscheduler(0, SCHED_IDLE, new Int32Array([0]));
      const number = IOPRIO_SET[process.arch];
      if (number !== undefined) symbols.syscall(number, IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_IDLE);
    },
    endWithParent: () => void symbols.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0),
    writeOut: (fd, from, length) => symbols.sync_file_range(fd, from, length, RANGE_WRITE_AND_WAIT) === 0,
    forget: (fd, from, length) => void symbols.posix_fadvise(fd, from, length, POSIX_FADV_DONTNEED),
  };
}
