import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import * as blobs from "../db/bytes/blobs.ts";
import * as leases from "../db/bytes/leases.ts";
import type { LeaseKind, LeaseRow } from "../db/bytes/leases.ts";
import { openToRead } from "../db/open/open-to-read.ts";
import { unflushed } from "../db/open/open.ts";
import { callers } from "../domain/callers.ts";
import { CofferError, reason } from "../domain/error.ts";
import { liveness, self } from "../domain/process-identity.ts";
import type { Liveness, Who } from "../domain/process-identity.ts";
import { syncPoint } from "../domain/sync-point.ts";
import type { Store } from "./store.ts";

/** "This live process is using these blobs." It is taken before the first question whether a digest is already there. */
export interface Lease {
  readonly seq: number;
  readonly token: string;
}

const NOBODY = 0;

export function takeLease(store: Store, kind: LeaseKind, options: { run?: number; until?: number; holder?: Who } = {}): Lease {
  const token = Bun.randomUUIDv7();
  // nothing is held where nothing can be written; whoever does more than read is refused by the next transaction
  if (store.readOnly && kind === "read") return { seq: NOBODY, token };
  const seq = store.transaction(() =>
    leases.insert(store.db, {
      token,
      kind,
      run: options.run ?? null,
      wrapper: JSON.stringify(options.holder ?? self()),
      taken_at: store.now(),
      until: options.until ?? null,
    }),
  );
  syncPoint("lease.taken");
  return { seq, token };
}

/** The lease's own directory under `tmp/`, made when it is asked for. */
export function staging(store: Store, lease: Lease): string {
  const path = store.path("tmp", lease.token);
  // no flush: after a crash nobody asks for it
  mkdirSync(path, { recursive: true });
  return path;
}

/** Inside a transaction. Where the lease has a staging directory, that goes first: `dropLease`, `closeLease`. */
export function endLease(store: Store, lease: Lease): void {
  leases.remove(store.db, lease);
}

export function clearStaging(store: Store, lease: Lease): void {
  if (lease.token === "") throw new Error("a lease without a token has no staging: this would clear everybody's");
  removeStaging(store.path("tmp", lease.token));
}

/** Most of the time it holds a log or two, or is gone: `rmSync` takes half a millisecond for that. */
function removeStaging(directory: string): void {
  try {
    for (const name of readdirSync(directory)) unlinkSync(join(directory, name));
    rmdirSync(directory);
  } catch {
    if (existsSync(directory)) rmSync(directory, { recursive: true, force: true });
  }
}

/** The row is gone and so is its staging; for work that ended without a transaction of its own. */
export function dropLease(store: Store, lease: Lease): void {
  if (store.readOnly) return;
  // first the bytes: on a full disk the row needs their room
  clearStaging(store, lease);
  syncPoint("lease.cleared");
  store.transaction(() => endLease(store, lease));
}

/** The same once all is committed. Until here the row stays: were it gone first, nobody would know whose staging it is that a crash left. */
export function closeLease(store: Store, lease: Lease): void {
  // a machine that stops ends it as well
  unflushed(store.db, () => abandonLease(store, lease));
}

/** The same for work that failed: its own error counts. What cannot be taken away now goes with the next command, when this process is dead. */
export function abandonLease(store: Store, lease: Lease): void {
  try {
    dropLease(store, lease);
  } catch (error) {
    // the next command finds a dead lease
    if (error instanceof CofferError && error.code === "STORE_BUSY") return;
    store.say(`what was staged could not be taken away, and will be with the next command: ${reason(error)}`);
  }
}

/**
 * Removes what dead processes staged, on a disk where not even the database can be opened for writing; their rows go with the next command. What a run printed
 * stays, for whoever adopts it. False where there was nothing.
 */
export function clearDeadStaging(root: string, now: number): boolean {
  const { db, close } = openToRead(join(root, "coffer.db"));
  try {
    const dead = leases.all(db).filter((lease) => lease.kind !== "run" && lease.token !== "" && leaseState(lease, now) === "dead");
    const staged = dead.map(({ token }) => join(root, "tmp", token)).filter((path) => existsSync(path));
    for (const path of staged) rmSync(path, { recursive: true, force: true });
    return staged.length > 0;
  } finally {
    close();
  }
}

/** Whether it is still ours: whoever takes this process for dead, or closes its run, ends the lease or makes it his own. */
export function holdsLease(store: Store, { seq, token }: Lease): boolean {
  const row = leases.bySeq(store.db, seq);
  return row?.token === token && row.wrapper === JSON.stringify(self());
}

/** Inside the transaction that commits what the lease protected until now. @throws CofferError PROTECTED */
export function requireLease(store: Store, lease: Lease): void {
  if (holdsLease(store, lease)) return;
  throw new CofferError("PROTECTED", "this process was taken for dead while it worked, and what it held in the store was given up", {
    hint: "nothing of it was stored: run it again",
  });
}

/** How a lease stands: dead when wrapper and child are; what cannot be known counts as alive. */
export function leaseState(lease: LeaseRow, now: number): Liveness {
  return lease.until !== null && lease.until > now ? "alive" : processState(lease);
}

/** How its processes stand, whatever the grace that it has beyond them. */
export function processState(lease: LeaseRow): Liveness {
  const me = self();
  const states = [lease.wrapper, lease.child].filter((who) => who !== null).map((who) => liveness(JSON.parse(who) as Who, me));
  if (states.includes("alive")) return "alive";
  return states.includes("unknown") ? "unknown" : "dead";
}

/** Frees what dead processes left: leases of ingests, reads, syncs and sweeps, with their staging. Runs are adopted elsewhere. */
export function freeDeadLeases(store: Store): void {
  const dead = leases.all(store.db).filter((lease) => lease.kind !== "run" && leaseState(lease, store.now()) === "dead");
  // what cannot be removed (another user's staging) may not keep every other command from its work
  for (const lease of dead) abandonLease(store, lease);
}

/**
 * From here on no sweep takes this blob (nor what a directory's list names) while the lease lives. Ask before the first look at its place.
 * @throws CofferError NOT_FOUND where a sweep was faster
 */
export function holdBlob(store: Store, lease: number, blob: number): void {
  if (store.readOnly) return;
  store.transaction(() => {
    const row = blobs.bySeq(store.db, blob);
    if (!row || row.state === "trashed")
      throw new CofferError("NOT_FOUND", "gc has just deleted these bytes", { hint: "coffer show tells when and why" });
    leases.holdBlob(store.db, lease, blob);
    if (isFirstUse(store, blob)) blobs.touch(store.db, [blob], store.now());
  });
}

const used = new WeakMap<Store, Set<number>>();

/** A command uses a blob once, however many of its steps hold it. */
function isFirstUse(store: Store, blob: number): boolean {
  const known = used.get(store);
  if (known?.has(blob)) return false;
  if (known) known.add(blob);
  else used.set(store, new Set([blob]));
  return true;
}

const READ_GRACE_MS = 3_600_000;

/**
 * The lease that holds what `get` hands out: the run's own inside a run; outside, one of the process that called us. It holds blobs for at least an hour
 * (a shell that ran `$(coffer get …)` may be gone while its child reads), and entries of the cache as long as that process lives. Returns its seq.
 */
export function readerLease(store: Store, run: number | undefined): number {
  if (store.readOnly) return NOBODY;
  if (run !== undefined) {
    const own = leases.ofRun(store.db, run);
    if (own) return own.seq;
  }
  const [last, ...nearer] = callers().toReversed() as [Who, ...Who[]];
  return store.transaction(() => {
    const lease = leaseOf(store, last, store.now() + READ_GRACE_MS);
    copies.set(store, { lease, seqs: nearer.map((who) => leaseOf(store, who, undefined)) });
    return lease;
  });
}

/** Leases of the copies of a shell through which it called us: of what they got, each of them holds the entries of the cache too, as long as it lives. */
const copies = new WeakMap<Store, { lease: number; seqs: number[] }>();

/** A reader's lease, with those of the copies of it that called us. */
export function readerLeases(store: Store, lease: number): number[] {
  const known = copies.get(store);
  return known?.lease === lease ? [lease, ...known.seqs] : [lease];
}

function leaseOf(store: Store, holder: Who, until: number | undefined): number {
  const key = JSON.stringify(holder);
  const before = leases.all(store.db).find((lease) => lease.kind === "read" && lease.wrapper === key);
  if (!before) return takeLease(store, "read", { holder, ...(until !== undefined && { until }) }).seq;
  if (until !== undefined) leases.extend(store.db, before.seq, until);
  return before.seq;
}

const own = new WeakMap<Store, Lease>();

/** What this very process holds and stages while it hands something out; ends when the store is closed, or with the process. */
export function processLease(store: Store): Lease {
  const before = own.get(store);
  if (before) return before;
  const lease = takeLease(store, "read");
  own.set(store, lease);
  // a machine that stops ends it as well
  store.atClose(() => unflushed(store.db, () => abandonLease(store, lease)));
  return lease;
}
