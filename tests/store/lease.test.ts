import { expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as leases from "../../src/db/bytes/leases.ts";
import type { LeaseRow } from "../../src/db/bytes/leases.ts";
import { of, self } from "../../src/domain/process-identity.ts";
import type { Who } from "../../src/domain/process-identity.ts";
import { abandonLease, dropLease, freeDeadLeases, leaseState, readerLease, staging, takeLease } from "../../src/store/lease.ts";
import { openTestStore } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { countOf } from "./keep.ts";

/** A process that has ended. */
async function dead(): Promise<Who> {
  const child = Bun.spawn(["sleep", "60"], { stdio: ["ignore", "ignore", "ignore"] });
  const who = of(child.pid) as Who;
  child.kill("SIGKILL");
  await child.exited;
  return who;
}

const only = (test: TestStore) => leases.all(test.store.db)[0] as LeaseRow;

test("a lease lives as long as its process, not as long as a clock says", async () => {
  using test = await openTestStore();
  takeLease(test.store, "ingest");
  expect(leaseState(only(test), test.now + 10 ** 12)).toBe("alive");
});

test("a lease of a dead process is dead; its child's life keeps it", async () => {
  using test = await openTestStore();
  const lease = takeLease(test.store, "run", { holder: await dead() });
  expect(leaseState(only(test), test.now)).toBe("dead");
  leases.setChild(test.store.db, lease.seq, JSON.stringify(self()));
  expect(leaseState(only(test), test.now)).toBe("alive");
});

test("what cannot be known counts as alive: another host, or another container", async () => {
  using test = await openTestStore();
  takeLease(test.store, "ingest", { holder: { ...(await dead()), host: "another" } });
  expect(leaseState(only(test), test.now)).toBe("unknown");
  freeDeadLeases(test.store);
  expect(countOf(test, "leases")).toBe(1);
});

test("a lease with a time limit outlives its process until then", async () => {
  using test = await openTestStore();
  takeLease(test.store, "read", { holder: await dead(), until: test.now + 1000 });
  expect([leaseState(only(test), test.now + 999), leaseState(only(test), test.now + 1000)]).toEqual(["alive", "dead"]);
});

test("leases of dead processes are freed with what they staged and held; those of runs are left to adoption", async () => {
  using test = await openTestStore();
  const holder = await dead();
  const artifact = await test.add();
  const ingest = takeLease(test.store, "ingest", { holder });
  const run = takeLease(test.store, "run", { holder, run: test.run({ state: "running" }).seq });
  const alive = takeLease(test.store, "ingest");
  leases.holdBlob(test.store.db, ingest.seq, artifact.blob as number);
  leases.holdEntry(test.store.db, ingest.seq, "x/y");
  for (const lease of [ingest, run, alive]) writeFileSync(join(staging(test.store, lease), "staged"), "");
  freeDeadLeases(test.store);
  expect(leases.all(test.store.db).map(({ seq }) => seq)).toEqual([run.seq, alive.seq]);
  expect([ingest, run, alive].map(({ token }) => existsSync(test.store.path("tmp", token)))).toEqual([false, true, true]);
  expect([leases.holds(test.store.db, artifact.blob as number), leases.holdersOf(test.store.db, "x/y")]).toEqual([false, []]);
});

test("a reader outside of a run has one lease, which is made longer; inside, it uses the run's", async () => {
  using test = await openTestStore();
  const first = readerLease(test.store, undefined);
  test.now += 1000;
  expect(readerLease(test.store, undefined)).toBe(first);
  expect(only(test).until).toBe(test.now + 3_600_000);
  const { seq } = test.run({ state: "running" });
  const own = takeLease(test.store, "run", { run: seq });
  expect(readerLease(test.store, seq)).toBe(own.seq);
  // a run whose wrapper is gone has none
  expect(readerLease(test.store, test.run().seq)).toBe(first);
});

test("a lease of work that failed goes, and where it cannot the failure is said instead of thrown", async () => {
  using test = await openTestStore();
  const lease = takeLease(test.store, "ingest");
  writeFileSync(join(staging(test.store, lease), "staged"), "");
  abandonLease(test.store, lease);
  expect([countOf(test, "leases"), existsSync(test.store.path("tmp", lease.token))]).toEqual([0, false]);
  const said: string[] = [];
  const broken = {
    ...test.store,
    say: (words: string) => said.push(words),
    transaction: () => {
      throw new Error("disk full");
    },
  };
  abandonLease(broken as unknown as TestStore["store"], lease);
  expect(said).toEqual([expect.stringContaining("disk full")]);
});

test("a lease that another process ended meanwhile takes no newer one along that got its number", async () => {
  using test = await openTestStore();
  const first = takeLease(test.store, "read", { holder: await dead() });
  freeDeadLeases(test.store);
  const second = takeLease(test.store, "run");
  expect(second.seq).toBe(first.seq);
  dropLease(test.store, first);
  expect(leases.all(test.store.db).map(({ token }) => token)).toEqual([second.token]);
});
