import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import * as entries from "../../../src/db/bytes/cache-entries.ts";
import * as leases from "../../../src/db/bytes/leases.ts";
import { of } from "../../../src/domain/process-identity.ts";
import type { Who } from "../../../src/domain/process-identity.ts";
import { isCached, preload, readablePath } from "../../../src/store/cache/cache.ts";
import { cacheLimits, limitOrigin, setLimit } from "../../../src/store/cache/limits.ts";
import { cacheStats } from "../../../src/store/cache/stats.ts";
import { clear, evict } from "../../../src/store/cache/evict.ts";
import { processLease, takeLease } from "../../../src/store/lease.ts";
import { openStore } from "../../../src/store/store.ts";
import type { Store } from "../../../src/store/store.ts";
import type { TestStore } from "../../support/store.ts";
import { contentOf } from "../directory.ts";
import { withPacked } from "../packed.ts";

interface Caller extends AsyncDisposable {
  who: Who;
  /** What the commands that it called said. */
  said: string[];
  end(): Promise<void>;
}

/** A live process for which commands work. */
function caller(): Caller {
  const child = Bun.spawn(["sleep", "600"], { stdio: ["ignore", "ignore", "ignore"] });
  const end = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
  };
  return { who: of(child.pid) as Who, said: [], end, [Symbol.asyncDispose]: end };
}

/** The store as another command opens it. */
function command(test: TestStore, said: string[] = []): Store {
  return openStore(test.store.settings, { make: false, now: () => test.now, say: (words) => said.push(words) });
}

function leaseOf(store: Store, { who }: Pick<Caller, "who">): number {
  const before = leases.all(store.db).find((lease) => lease.kind === "read" && lease.wrapper === JSON.stringify(who));
  return before?.seq ?? takeLease(store, "read", { holder: who }).seq;
}

/** One `coffer get`, from its start to its end. */
async function get(test: TestStore, by: Pick<Caller, "who" | "said">, artifact: ArtifactRow | undefined): Promise<string> {
  using store = command(test, by.said);
  return await readablePath(store, contentOf(artifact as ArtifactRow), leaseOf(store, by));
}

const there = (paths: readonly string[]): boolean[] => paths.map((path) => existsSync(path));

/** Paths under the cache: what lies there, and what the index names. */
function both(test: TestStore): { disk: string[]; index: string[] } {
  const cache = test.store.path("cache");
  const disk = existsSync(cache) ? readdirSync(cache).flatMap((top) => readdirSync(join(cache, top)).map((name) => join(top, name))) : [];
  return {
    disk: disk.toSorted(),
    index: entries
      .oldestFirst(test.store.db)
      .map((entry) => entry.path)
      .toSorted(),
  };
}

test("five gets by one live process with room for three: the two oldest go, and that is said once", async () => {
  const { test, files } = await withPacked(6, { "cache.max_entries": 3 });
  using _ = test;
  await using shell = caller();
  const paths = [];
  // all within one millisecond
  for (const file of files.slice(0, 5)) paths.push(await get(test, shell, file));
  expect(there(paths)).toEqual([false, false, true, true, true]);
  expect(shell.said).toEqual([expect.stringMatching(/at most 3 entries.*f0\. coffer cache set-size --max-entries N/)]);
  await get(test, shell, files[5]);
  expect([shell.said.length, there(paths)]).toEqual([1, [false, false, false, true, true]]);
  expect(cacheStats(test.store)).toMatchObject({ entries: 3, bytes: 30, held: 3, misses: 6, hits: 0, evictions: 3, evicted_bytes: 30 });
  expect(both(test).disk).toEqual(both(test).index);
});

test("a use makes a copy young again, a look at it does not, and a clock that is set back changes nothing of the order", async () => {
  const { test, files } = await withPacked(5, { "cache.max_entries": 3 });
  using _ = test;
  await using shell = caller();
  const [a, b, c, d] = files as [ArtifactRow, ArtifactRow, ArtifactRow, ArtifactRow];
  const paths = [];
  for (const file of [a, b, c]) paths.push(await get(test, shell, file));
  test.now -= 86_400_000;
  await get(test, shell, a);
  expect(await isCached(test.store, contentOf(b))).toBe(true);
  paths.push(await get(test, shell, d));
  expect(there(paths)).toEqual([true, false, true, true]);
  expect(await isCached(test.store, contentOf(b))).toBe(false);
});

test("bytes are a limit too, and a copy that is larger than all of it goes when its reader asks for more", async () => {
  const { test, files } = await withPacked(3, { "cache.max_size": 25 });
  using _ = test;
  await using shell = caller();
  const paths = [];
  for (const file of files) paths.push(await get(test, shell, file));
  expect(there(paths)).toEqual([false, true, true]);
  setLimit(test.store, "max_size", 9);
  expect(there([await get(test, shell, files[2])])).toEqual([true]);
  await get(test, shell, files[0]);
  expect(there(paths)).toEqual([true, false, false]);
});

test("what another live process got is never taken, of a dead one it is, and what cannot be known counts as alive", async () => {
  const { test, files } = await withPacked(5, { "cache.max_entries": 1 });
  using _ = test;
  await using first = caller();
  await using second = caller();
  const elsewhere = { who: { ...first.who, host: "another" }, said: [] };
  const paths = [await get(test, first, files[0]), await get(test, elsewhere, files[1])];
  for (const file of files.slice(2, 4)) paths.push(await get(test, second, file));
  expect(there(paths)).toEqual([true, true, false, true]);
  await first.end();
  paths.push(await get(test, second, files[4]));
  expect(there(paths)).toEqual([false, true, false, false, true]);
  expect(first.said).toEqual([]);
});

test("a run holds what it got until it has ended, also against itself", async () => {
  const { test, files } = await withPacked(4, { "cache.max_entries": 1 });
  using _ = test;
  await using wrapper = caller();
  const run = takeLease(test.store, "run", { run: test.run({ state: "running" }).seq, holder: wrapper.who });
  const paths = [];
  for (const file of files.slice(0, 3)) {
    using store = command(test, wrapper.said);
    paths.push(await readablePath(store, contentOf(file), run.seq));
  }
  expect([there(paths), wrapper.said]).toEqual([[true, true, true], []]);
  await wrapper.end();
  expect(evict(test.store, { max_size: 0, max_entries: 0 })).toEqual([]);
  test.store.transaction(() => leases.remove(test.store.db, run));
  expect(evict(test.store, cacheLimits(test.store))).toHaveLength(2);
  expect(there(paths)).toEqual([false, false, true]);
});

test("what a command is handing out stays until it has printed it, whoever called its sibling", async () => {
  const { test, files } = await withPacked(3, { "cache.max_entries": 1 });
  using _ = test;
  await using shell = caller();
  const paths: string[] = [];
  {
    using handing = command(test);
    for (const file of files.slice(0, 2)) paths.push(await readablePath(handing, contentOf(file as ArtifactRow), leaseOf(handing, shell)));
    paths.push(await get(test, shell, files[2]));
    expect(there(paths)).toEqual([true, true, true]);
  }
  expect(leases.all(test.store.db).map((lease) => lease.wrapper)).toEqual([JSON.stringify(shell.who)]);
  await get(test, shell, files[2]);
  expect(there(paths)).toEqual([false, false, true]);
});

test.each(["max_size", "max_entries"] as const)("%s 0 is off: copies live as long as their reader, all of them", async (name) => {
  const { test, files } = await withPacked(3);
  using _ = test;
  setLimit(test.store, name, 0);
  await using shell = caller();
  const paths = [];
  for (const file of [...files, files[0], files[0]]) paths.push(await get(test, shell, file));
  expect([there(paths), shell.said]).toEqual([[true, true, true, true, true], []]);
  expect(cacheStats(test.store)).toMatchObject({ misses: 3, hits: 2, rate: 0.4 });
  await shell.end();
  await using next = caller();
  const last = await get(test, next, files[1]);
  expect([there(paths.slice(0, 3)), readFileSync(last, "utf8")]).toEqual([[false, true, false], "packed 001"]);
});

test("copies that somebody deleted do not count, and what no row names goes when room is made", async () => {
  const { test, files } = await withPacked(5, { "cache.max_entries": 3 });
  using _ = test;
  await using shell = caller();
  const paths = [];
  for (const file of files.slice(0, 3)) paths.push(await get(test, shell, file));
  rmSync(paths[1] as string);
  mkdirSync(test.store.path("cache/strange/inner"), { recursive: true });
  writeFileSync(test.store.path("cache/file"), "");
  expect(cacheStats(test.store)).toMatchObject({ entries: 2, bytes: 20 });
  paths.push(await get(test, shell, files[3]));
  expect(there(paths)).toEqual([true, false, true, true]);
  expect(cacheStats(test.store)).toMatchObject({ entries: 3, evictions: 0 });
  expect(both(test).disk).toEqual(both(test).index);
  expect(readdirSync(test.store.path("cache"))).toHaveLength(3);
});

test("what a crash left half made goes with the next get, be it a row alone or a file as well", async () => {
  const { test, files } = await withPacked(2);
  using _ = test;
  await using shell = caller();
  await using dead = caller();
  await dead.end();
  const lease = takeLease(test.store, "read", { holder: dead.who }).seq;
  for (const path of ["aa/row", "bb/file"]) {
    entries.reserve(test.store.db, { path, blob: files[0]?.blob as number, at: test.now });
    leases.holdEntry(test.store.db, lease, path);
  }
  mkdirSync(test.store.path("cache/bb"), { recursive: true });
  writeFileSync(test.store.path("cache/bb/file"), "half");
  expect(cacheStats(test.store).entries).toBe(0);
  const path = await get(test, shell, files[0]);
  expect(both(test)).toEqual({ disk: [path.slice(test.store.path("cache").length + 1)], index: both(test).disk });
  // and a second time, now that it is there
  entries.reserve(test.store.db, { path: "cc/row", blob: 1, at: test.now });
  await get(test, shell, files[0]);
  expect(both(test).index).toEqual(both(test).disk);
});

test("clear takes what nobody else holds, with whatever lies beside it, and says how much", async () => {
  const { test, files } = await withPacked(3);
  using _ = test;
  await using shell = caller();
  await using other = caller();
  const paths = [await get(test, shell, files[0]), await get(test, other, files[1])];
  writeFileSync(join(paths[1] as string, "../beside"), "");
  mkdirSync(test.store.path("cache/strange"));
  expect(clear(test.store, leaseOf(test.store, shell)).map((entry) => [entry.size, entry.from])).toEqual([[10, "reader"]]);
  expect(there(paths)).toEqual([false, true]);
  expect(both(test).disk).toEqual(both(test).index);
  expect(cacheStats(test.store)).toMatchObject({ entries: 1, evictions: 0 });
  await other.end();
  expect(clear(test.store)).toHaveLength(1);
  expect(readdirSync(test.store.path("cache"))).toEqual([]);
});

test("preload has copies ready, counts as no read, and gives way to a limit as any other use does", async () => {
  const { test, files } = await withPacked(4, { "cache.max_entries": 3 });
  using _ = test;
  await using shell = caller();
  const single = await test.add({ bytes: "a file of its own" });
  const load = async (artifact: ArtifactRow | undefined) => {
    using store = command(test);
    return await preload(store, contentOf(artifact as ArtifactRow), leaseOf(store, shell));
  };
  expect([await load(files[0]), await load(files[1]), await load(files[0]), await load(single)]).toEqual([
    "loaded",
    "loaded",
    "there",
    "own",
  ]);
  expect(cacheStats(test.store)).toMatchObject({ entries: 2, held: 0, hits: 0, misses: 0, rate: null });
  await load(files[2]);
  await load(files[3]);
  // the second was used least recently, since the first was asked for again
  expect(await Promise.all(files.map((file) => isCached(test.store, contentOf(file))))).toEqual([true, false, true, true]);
});

test("one miss and two hits are a rate of 2/3; a blob with a file of its own counts as used, and as neither", async () => {
  const { test, files } = await withPacked(1);
  using _ = test;
  await using shell = caller();
  const single = await test.add({ bytes: "a file of its own" });
  for (const artifact of [files[0], files[0], files[0], single, single]) {
    test.now += 1;
    await get(test, shell, artifact);
  }
  expect(cacheStats(test.store)).toMatchObject({ hits: 2, misses: 1, rate: 2 / 3 });
  const uses = test.store.db.query("SELECT hits, last_used FROM blob_uses WHERE blob IN (?, ?) ORDER BY blob");
  expect(uses.all(files[0]?.blob as number, single.blob)).toEqual([
    { hits: 3, last_used: test.now - 2 },
    { hits: 2, last_used: test.now },
  ]);
});

test("a limit that the store was given outranks the configuration, until it is taken away", async () => {
  const { test } = await withPacked(0, { "cache.max_entries": 7 });
  using _ = test;
  setLimit(test.store, "max_entries", 0);
  {
    using again = command(test);
    expect([cacheLimits(again), limitOrigin(again, "max_entries").source, limitOrigin(again, "max_size").source]).toEqual([
      { max_entries: 0, max_size: 10_000_000_000 },
      "store",
      "default",
    ]);
  }
  setLimit(test.store, "max_entries", undefined);
  expect([cacheLimits(test.store).max_entries, limitOrigin(test.store, "max_entries").source]).toEqual([7, "flag"]);
});

test("a command's own hold ends with it, with what it staged", async () => {
  const { test } = await withPacked(0);
  using _ = test;
  let token: string;
  {
    using store = command(test);
    ({ token } = processLease(store));
    mkdirSync(store.path("tmp", token));
    expect(processLease(store).token).toBe(token);
  }
  expect([leases.all(test.store.db), existsSync(test.store.path("tmp", token))]).toEqual([[], false]);
});
