import { statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { isSettled, keepsExactTimes } from "../../../blobs/believed-stamp.ts";
import { sameSource } from "../../../blobs/source-stamp.ts";
import type { SourceStamp } from "../../../blobs/source-stamp.ts";
import { diskFigures } from "../../../domain/file-system.ts";
import { leftOutBy } from "../../../domain/left-out.ts";
import { syncPoint } from "../../../domain/sync-point.ts";
import { freeRoom } from "../../../store/reserve.ts";
import type { Store } from "../../../store/store.ts";
import type { Begun } from "../../begin.ts";
import type { RunRequest } from "../../run.ts";
import { AheadMemory } from "./memory.ts";
import { isFinishedAt } from "../is-finished.ts";
import type { AheadReply } from "../reader/read-finished.ts";
import { lookAround } from "./look-around.ts";
import type { Seen } from "./look-around.ts";
import { roomToLeave } from "./room-to-leave.ts";
import { startReader } from "./start-reader.ts";
import type { ReaderProcess } from "./start-reader.ts";

export interface ReadingAhead {
  /** Ends it at once, and tells what was found out. */
  end(): Promise<AheadMemory | undefined>;
}

/** Bytes. 190 files of this size cost the end of a run 0.6 s when they are read then, and 0.25 s when they were read ahead. */
const WORTHWHILE = 1 << 20;
const LOOK_EVERY_MS = 1_000;
/** Looks in which there was nothing to read, after which the reader goes: it holds 40 MB. */
const IDLE_LOOKS = 10;
/** A file that changed after it had been read has to be at rest this many times as long before it is read again: a checkpoint that is written every minute is not read every minute. */
const MORE_PATIENCE = 4;
/** A copy begins only where there is room for so many of it, and two more are free when it is done: the command writes too, faster than anybody looks. */
const ROOM_TIMES = 3n;

type Request = Pick<RunRequest, "env" | "ignore" | "outputs" | "register">;

/**
 * Begins to read a workspace ahead. undefined where its file system does not tell reliably that a file is still the same. `start` starts what reads, once there is something to read; `files` is
 * what was found out so far.
 */
export function loopOverWorkspace(
  store: Store,
  { workspace, lease }: Pick<Begun, "workspace" | "lease">,
  request: Request,
  { start = startReader, files = new AheadMemory() }: { start?: typeof startReader; files?: AheadMemory } = {},
): ReadingAhead | undefined {
  if (!keepsExactTimes(workspace)) return undefined;
  const loop = new WorkspaceLoop(store, workspace, store.path("tmp", lease.token), request, start, files);
  const reading = loop.read().catch(() => undefined);
  return { end: () => loop.end(reading) };
}

class WorkspaceLoop {
  readonly #workspace: string;
  readonly #staging: string;
  readonly #start: () => ReaderProcess;
  readonly #isOutput: (path: string) => boolean;
  /** Its files become blobs as they are: nothing is copied. */
  readonly #moves: boolean;
  readonly #files: AheadMemory;
  /** How often a path was read, or begun to be read, in vain. */
  readonly #changes = new Map<string, number>();
  readonly #ending = Promise.withResolvers<boolean>();
  /** The command has ended, or the reader. */
  #isDone = false;
  #process: ReaderProcess | undefined;
  #copies = 0;
  #inWork: string | undefined;

  constructor(
    store: Store,
    workspace: string,
    staging: string,
    { env, ignore, outputs, register }: Request,
    start: typeof startReader,
    files: AheadMemory,
  ) {
    const { policy, ignore: ignored } = store.settings.values.workspace;
    const isLeftOut = leftOutBy({ ignore: [...ignored, ...ignore], outputs });
    this.#workspace = workspace;
    this.#staging = staging;
    this.#start = () => start(env);
    this.#files = files;
    this.#isOutput = (path) => !isLeftOut(path) || register.has(path);
    this.#moves = policy === "scratch" && statSync(workspace).dev === statSync(staging).dev;
  }

  async read(): Promise<void> {
    for (let idle = 0; !this.#isDone;) {
      const began = performance.now();
      const seen = await lookAround(this.#workspace, { atLeast: WORTHWHILE, rest: (ms) => this.#rest(ms) });
      if (!seen) return;
      const took = performance.now() - began;
      await this.#forgetChanged(seen);
      await this.#makeRoom(seen.bytes);
      // what was removed there may have been large, and the command may have ended meanwhile: nobody would end a reader that begins now
      if (this.#isDone) return;
      idle++;
      for (const path of this.#worthwhile(seen)) {
        idle = 0;
        const foundRoom = await this.#readOne(path, seen);
        // whether others came or changed meanwhile is asked first; but no more is looked than read. Who ran out of room makes some first
        if (this.#isDone || !foundRoom || performance.now() - began - took > Math.max(took, LOOK_EVERY_MS)) break;
      }
      if (idle === IDLE_LOOKS) await this.#dismissReader();
      if (!(await this.#rest(idle === 0 ? 0 : LOOK_EVERY_MS))) return;
    }
  }

  async end(reading: Promise<void>): Promise<AheadMemory | undefined> {
    this.#isDone = true;
    this.#ending.resolve(false);
    await this.#dismissReader();
    await reading;
    syncPoint("ahead.ended");
    return this.#files.count > 0 ? this.#files : undefined;
  }

  /** False where the command has ended meanwhile, or what `until` waits for is there. */
  async #rest(ms: number, until: Promise<boolean> = this.#ending.promise): Promise<boolean> {
    let timer: Timer | undefined;
    const pause = new Promise<boolean>((resolve) => (timer = setTimeout(resolve, ms, true)));
    return await Promise.race([pause, this.#ending.promise, until]).finally(() => clearTimeout(timer));
  }

  async #forgetChanged({ large }: Seen): Promise<void> {
    for (const path of this.#files.paths()) {
      if (this.#isDone) return;
      const name = path.slice(this.#workspace.length + 1);
      const now = large.get(name);
      const then = this.#files.stampOf(path);
      if (now && then && sameSource(now, then)) continue;
      this.#changed(name);
      await this.#files.forget(path);
    }
  }

  /** Copies go again when the disk gets short of room: the command may want it, and they can be made at its end. */
  async #makeRoom(written: number): Promise<void> {
    while (!this.#isDone && this.#roomFor(0n, written) === undefined && (await this.#files.forgetCopy()));
  }

  /** How many bytes a copy of so many has to leave; undefined where there is no room for it. */
  #roomFor(bytes: bigint, written: number): number | undefined {
    const figures = diskFigures(this.#staging);
    if (!figures) return undefined;
    const floor = roomToLeave(figures, written);
    return freeRoom(figures) - Number(bytes) >= floor ? floor : undefined;
  }

  /** Paths of files that are finished and were not read yet; the largest first. */
  *#worthwhile({ large }: Seen): Generator<string> {
    const now = Date.now();
    for (const [path, stamp] of [...large].sort(([, one], [, other]) => Number(other.size - one.size))) {
      if (this.#files.stampOf(join(this.#workspace, path)) || !this.#isOutput(path) || path.includes("\uFFFD")) continue;
      const patience = isSettledFor(now, this.#changes.get(path) ?? 0);
      if (isSettled(stamp.ctime_ns, patience) && isFinishedAt(join(this.#workspace, path), stamp)) yield path;
    }
  }

  /** False where a copy ran out of room. */
  async #readOne(name: string, { large, bytes }: Seen): Promise<boolean> {
    const path = join(this.#workspace, name);
    const stamp = large.get(name) as SourceStamp;
    const floor = this.#moves ? undefined : this.#roomFor(stamp.size * ROOM_TIMES, bytes);
    const to = floor === undefined ? undefined : join(this.#staging, `ahead-${this.#copies++}`);
    this.#inWork = to;
    this.#process ??= this.#start();
    const asked = this.#process.ask({ path, stamp, copy: to === undefined || floor === undefined ? undefined : { to, floor } });
    syncPoint("ahead.asked");
    const reply = await this.#replyTo(asked, bytes);
    if (reply !== undefined) this.#inWork = undefined;
    // ended with us, or by somebody else: then it is not tried again
    if (reply === undefined) this.#isDone = true;
    else if (typeof reply === "string") this.#changed(name);
    else {
      this.#files.set(path, {
        stamp,
        hex: reply.hex,
        flushed: to === undefined,
        copy: to !== undefined && reply.copy ? { path: to, stamp: reply.copy } : undefined,
      });
      syncPoint("ahead.read");
    }
    return reply !== "full";
  }

  /** Nobody waits for a reader that waits for the disk when the command has ended: undefined then. The copies that there are already go meanwhile when the disk gets short of room. */
  async #replyTo(asked: Promise<AheadReply | undefined>, written: number): Promise<AheadReply | undefined> {
    let reply: AheadReply | undefined;
    const told = asked.then((said) => {
      reply = said;
      return false;
    });
    while (await this.#rest(LOOK_EVERY_MS, told)) await this.#makeRoom(written);
    return reply;
  }

  #changed(path: string): void {
    this.#changes.set(path, (this.#changes.get(path) ?? 0) + 1);
  }

  async #dismissReader(): Promise<void> {
    const reader = this.#process;
    this.#process = undefined;
    await reader?.end();
    // half a copy; nobody waits until a large one is gone
    if (this.#inWork !== undefined) rm(this.#inWork, { force: true }).catch(() => undefined);
  }
}

const REST_MS = 2_000;

/** The moment up to which a file must have been at rest, as `isSettled` counts. */
function isSettledFor(now: number, changes: number): number {
  return now - REST_MS * (MORE_PATIENCE ** changes - 1);
}
