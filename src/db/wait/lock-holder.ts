import type { Database } from "bun:sqlite";
import { readFileSync, statSync } from "node:fs";
import { basename } from "node:path";
import { liveness, procStat, self } from "../../domain/process-identity.ts";
import type { Who } from "../../domain/process-identity.ts";
import * as leases from "../bytes/leases.ts";

/** Who keeps a database busy, as far as it can be known, and what to do about it; each without a full stop. */
export interface Holder {
  words: string;
  todo: string | undefined;
}

/** Bytes that SQLite locks: of the shared index of a write-ahead log, the writer's, and those of a checkpoint and a recovery; of the file, RESERVED and what is around it. */
const LOG_BYTES: [number, number] = [120, 122];
const FILE_BYTES: [number, number] = [0x40000000, 0x40000000 + 511];

/** Whose locks are in the way. With a rollback journal nothing is committed while somebody reads. */
export type Use = "writers" | "readers";

export function holderOf(db: Database, use: Use): Holder {
  const pid = lockingProcess(db.filename, use);
  if (pid !== undefined) return described(pid, use);
  if (use === "readers") return { words: "another process is reading it", todo: undefined };
  const [first] = atWork(db);
  if (first) return { words: `${first}, is using it`, todo: undefined };
  return { words: "another process is writing to it", todo: undefined };
}

/** The process that has the lock, from the kernel's own list: of this machine, and of what may be seen of it from here. */
function lockingProcess(file: string, use: Use): number | undefined {
  let locks: string[];
  try {
    locks = readFileSync("/proc/locks", "latin1").split("\n");
  } catch {
    return undefined;
  }
  for (const [path, [from, to]] of [
    [`${file}-shm`, LOG_BYTES],
    [file, FILE_BYTES],
  ] as const) {
    const inode = statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
    if (inode === undefined) continue;
    for (const line of locks) {
      // 1: POSIX  ADVISORY  WRITE 2345 fe:00:1234 120 120; the device of some file systems is another than stat tells
      const [, kind, , access, pid, place, start, end] = line.split(/\s+/);
      if (kind !== "POSIX" || (use === "writers" && access !== "WRITE") || place?.split(":")[2] !== String(inode)) continue;
      const last = end === "EOF" ? Infinity : Number(end);
      if (Number(start) <= to && last >= from && Number(pid) > 0 && Number(pid) !== process.pid) return Number(pid);
    }
  }
  return undefined;
}

function described(pid: number, use: Use): Holder {
  const stat = procStat(pid);
  const began = stat && startTime(stat.start);
  const name = commandOf(pid);
  const details = [name, began === undefined ? undefined : `since ${began}`].filter((one) => one !== undefined);
  const who = `process ${pid}${details.length > 0 ? ` (${details.join(", ")})` : ""}`;
  if (stat?.state === "T") return { words: `${who} has its lock and is stopped`, todo: `let it go on with kill -CONT ${pid}, or end it` };
  return { words: `${who} is ${use === "readers" ? "reading" : "writing to"} it`, todo: `wait until process ${pid} is done, or end it` };
}

/** The program, and of coffer the command. Not its other words: they may hold what is secret. */
function commandOf(pid: number): string | undefined {
  try {
    const [program = "", command = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    const name = basename(program);
    if (name === "coffer") return /^[a-z-]+$/.test(command) ? `coffer ${command}` : name;
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return undefined;
  }
}

const TICKS_PER_SECOND = 100;

function startTime(ticks: string): string | undefined {
  try {
    const boot = Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "latin1"))?.[1]);
    return `${new Date((boot + Number(ticks) / TICKS_PER_SECOND) * 1000).toISOString().slice(0, 19)}Z`;
  } catch {
    return undefined;
  }
}

/** Where the kernel does not tell (another machine has the lock): who is at work in this store by its own account. */
function atWork(db: Database): string[] {
  try {
    const me = self();
    return leases
      .all(db)
      .map((lease) => ({ lease, who: JSON.parse(lease.wrapper) as Who }))
      .filter(({ lease, who }) => lease.kind !== "read" && who.pid !== me.pid && liveness(who, me) !== "dead")
      .sort((a, b) => b.lease.taken_at - a.lease.taken_at)
      .map(
        ({ lease, who }) =>
          `process ${who.pid}${who.host === me.host ? "" : ` of ${who.host}`} (${lease.kind}, since ${new Date(lease.taken_at).toISOString().slice(0, 19)}Z)`,
      );
  } catch {
    // it is busy for readers too, or damaged
    return [];
  }
}
