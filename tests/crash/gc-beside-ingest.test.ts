import { readFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { SYNC_POINTS_VARIABLE } from "../../src/domain/sync-point.ts";
import type { SyncPoint } from "../../src/domain/sync-points.ts";
import { place } from "../cli/run-place.ts";
import type { Place } from "../cli/run-place.ts";
import { appears } from "../support/appears.ts";
import type { CofferResult } from "../support/coffer.ts";
import { contents, leftOver, NOTHING_LEFT } from "./kill-at.ts";
import { did, fill, LARGE } from "./scenarios/keeping.ts";

/** What two processes do to the same bytes: a file of its own, one that is read before it is copied, or the members of a pack. */
const KINDS = ["a file", "a directory in a pack"] as const;
type Kind = (typeof KINDS)[number];

const GC = ["gc", "--apply", "--grace", "0"];
const LOG = ["log", "it", "--name", "again"];

/** A store in which nothing but garbage has the bytes that lie at `it`; something else stays. */
async function withGarbage(here: Place, kind: Kind): Promise<void> {
  if (kind === "a file") here.write("it", LARGE);
  else fill(here, "it");
  await did(here, "log", "it", "--name", "gone");
  await did(here, "log", here.write("other", `${LARGE}!`), "--name", "other");
  await did(here, "rm", "gone");
}

interface Held {
  /** Lets it go on, to its end. */
  letGo(): Promise<CofferResult>;
}

/** Calls a command, and comes back when it stands still at a point. */
async function heldAt(here: Place, args: readonly string[], at: SyncPoint | `${SyncPoint}@${number}`): Promise<Held> {
  const file = here.at(`held-${Bun.randomUUIDv7()}`);
  const ending = here.coffer(args, { env: { [SYNC_POINTS_VARIABLE]: `${at}=hold:${file}` } });
  await appears(`${file}.reached`, { exited: ending });
  return {
    letGo() {
      here.write(file.slice(here.path.length + 1), "");
      return ending;
    },
  };
}

function succeeded(...results: readonly CofferResult[]): void {
  expect(results.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual(results.map(() => 0));
}

/** What is in sight can be read whole, and nothing is left of either process. */
async function endsWell(here: Place, names: string[]): Promise<void> {
  await did(here, "runs");
  expect(await leftOver(here)).toEqual(NOTHING_LEFT);
  expect(Object.keys(await contents(here)).toSorted()).toEqual(names);
  for (const name of names) {
    await did(here, "get", name, "-o", `out/${name}`);
    if (name.startsWith("again") || name.startsWith("twin")) expect(read(here.at(`out/${name}`))).toEqual(read(here.at("it")));
  }
  succeeded(await here.coffer(GC));
  expect(await leftOver(here, true)).toEqual(NOTHING_LEFT);
  expect(Object.keys(await contents(here)).toSorted()).toEqual(names);
}

function read(path: string): string {
  return Bun.spawnSync([
    "sh",
    "-c",
    'if [ -d "$0" ]; then cd "$0"; for f in $(ls | sort); do cat "$f"; done; else cat "$0"; fi',
    path,
  ]).stdout.toString();
}

/** Steps of gc that an ingest comes upon: before the row is condemned, condemned, trashed, renamed away, and gone. Inside its transactions the ingest has to wait. */
const SWEPT: readonly SyncPoint[] = ["gc.begun", "gc.buried", "gc.trashed", "gc.unlinking", "gc.done"];
const IN_TRANSACTION: readonly SyncPoint[] = ["gc.trashing", "gc.moved-away", "gc.forgotten"];

for (const kind of KINDS) {
  for (const point of SWEPT)
    test(`the whole ingest of ${kind} comes while gc of the same bytes stands at ${point}`, async () => {
      using here = place();
      await withGarbage(here, kind);
      const gc = await heldAt(here, GC, point);
      succeeded(await here.coffer(LOG));
      succeeded(await gc.letGo());
      await endsWell(here, ["again@v1", "other@v1"]);
    });

  for (const point of IN_TRANSACTION)
    test(`an ingest of ${kind} waits while gc of the same bytes stands at ${point}`, async () => {
      using here = place();
      await withGarbage(here, kind);
      const gc = await heldAt(here, GC, point);
      const log = here.coffer(LOG);
      // it may read as much as it likes meanwhile
      await Bun.sleep(100);
      succeeded(await gc.letGo(), await log);
      await endsWell(here, ["again@v1", "other@v1"]);
    });

  for (const point of ["lease.taken", "ingest.begun", "ingest.asked", "ingest.staged", "ingest.placed"] as const)
    test(`the whole gc comes while an ingest of the same bytes (${kind}) stands at ${point}`, async () => {
      using here = place();
      await withGarbage(here, kind);
      const log = await heldAt(here, LOG, point);
      succeeded(await here.coffer(GC));
      succeeded(await log.letGo());
      await endsWell(here, ["again@v1", "other@v1"]);
    });

  // both are on their way
  for (const [ours, theirs] of [
    ["ingest.asked", "gc.buried"],
    ["ingest.asked", "gc.trashed"],
    ["ingest.staged", "gc.begun"],
    ["ingest.placed", "gc.buried"],
    ["ingest.placed", "gc.trashed"],
    ["ingest.placed", "gc.unlinking"],
  ] as const)
    for (const first of ["log", "gc"] as const)
      test(`an ingest of ${kind} at ${ours} and gc at ${theirs}: ${first} goes on first`, async () => {
        using here = place();
        await withGarbage(here, kind);
        const log = await heldAt(here, LOG, ours);
        const gc = await heldAt(here, GC, theirs);
        if (first === "log") succeeded(await log.letGo(), await gc.letGo());
        else succeeded(await gc.letGo(), await log.letGo());
        await endsWell(here, ["again@v1", "other@v1"]);
      });

  for (const point of ["ingest.begun", "ingest.asked", "ingest.staged", "ingest.placed", "ingest.committed"] as const)
    test(`an ingest of ${kind} comes while another one of the same bytes stands at ${point}`, async () => {
      using here = place();
      await did(here, "log", here.write("other", `${LARGE}!`), "--name", "other");
      if (kind === "a file") here.write("it", LARGE);
      else fill(here, "it");
      // a file that nobody has the size of is not asked for before it is copied
      const log = await heldAt(here, LOG, point);
      succeeded(await here.coffer(["log", "it", "--name", "twin"]));
      succeeded(await log.letGo());
      await endsWell(here, ["again@v1", "other@v1", "twin@v1"]);
      // stored once
      expect(here.binaries().filter((name) => name.endsWith(".tar"))).toHaveLength(kind === "a file" ? 0 : 1);
      expect(here.binaries().filter((name) => !name.endsWith(".tar"))).toHaveLength(kind === "a file" ? 2 : 1);
    });
}

/** A pack of which most is garbage, and bytes at `it` that only its garbage has. */
async function withHollowPack(here: Place): Promise<void> {
  fill(here, "it");
  await did(here, "log", "it", "--name", "gone");
  fill(here, "few", 5);
  await did(here, "log", "few", "--name", "few");
  await did(here, "rm", "gone");
}

for (const point of ["pack.written", "pack.flushed", "gc.repack-placed", "gc.repacked"] as const) {
  test(`the members of a pack are logged again while it is written anew, at ${point}`, async () => {
    using here = place();
    await withHollowPack(here);
    const gc = await heldAt(here, GC, point);
    succeeded(await here.coffer(LOG));
    succeeded(await gc.letGo());
    await endsWell(here, ["again@v1", "few@v1"]);
  });

  test(`a member of a pack is read while it is written anew, at ${point}`, async () => {
    using here = place();
    await withHollowPack(here);
    const gc = await heldAt(here, GC, point);
    const { stdout, code } = await here.coffer(["get", "few"]);
    succeeded(await gc.letGo());
    expect([code, readFileSync(`${stdout.trim()}/4`, "utf8")]).toEqual([0, "file 4\n"]);
    await endsWell(here, ["few@v1"]);
  });
}

for (const point of ["gc.repacking", "pack.written", "gc.repack-placed", "gc.repacked"] as const)
  test(`two gcs write the same pack anew, the second one from its start to its end while the first stands at ${point}`, async () => {
    using here = place();
    await withHollowPack(here);
    const first = await heldAt(here, GC, point);
    succeeded(await here.coffer(GC));
    succeeded(await first.letGo());
    // what lives of it, and the list of few
    expect(here.binaries()).toHaveLength(2);
    await endsWell(here, ["few@v1"]);
  });

for (const point of ["gc.repacking", "pack.written", "gc.repack-placed", "gc.repacked"] as const)
  test(`two purges move what others use out of the same pack, the second one from its start to its end while the first stands at ${point}`, async () => {
    using here = place();
    fill(here, "it");
    await did(here, "log", "it", "--name", "gone", "--dataset", "corn");
    fill(here, "few", 5);
    await did(here, "log", "few", "--name", "few", "--dataset", "wheat");
    await did(here, "log", "few", "--name", "few", "--dataset", "corn");
    const purge = ["artifacts", "purge", "--dataset", "corn", "--force", "--yes"];
    const first = await heldAt(here, purge, point);
    const second = await here.coffer(purge);
    succeeded(second, await first.letGo());
    // what lives of it, and the list of few
    expect(here.binaries().filter((name) => name.endsWith(".tar"))).toHaveLength(1);
    await endsWell(here, ["few@v1"]);
  });

test("a pack is written anew while an ingest of its members stands between its question and its rows", async () => {
  using here = place();
  await withHollowPack(here);
  const log = await heldAt(here, ["log", "few", "--name", "more"], "ingest.staged");
  succeeded(await here.coffer(GC));
  succeeded(await log.letGo());
  await endsWell(here, ["few@v1", "more@v1"]);
});

for (const kind of KINDS) {
  const points = kind === "a file" ? (["get.held"] as const) : (["get.held", "cache.reserved", "cache.copied", "cache.placed"] as const);
  for (const point of points)
    test(`rm and gc come while somebody who reads ${kind} stands at ${point}: it is read whole`, async () => {
      using here = place();
      await withGarbage(here, kind);
      await did(here, "restore", "gone");
      const get = await heldAt(here, ["get", "gone"], point);
      const removed = here.coffer(["rm", "gone"]).then(async (rm) => [rm, await here.coffer(GC)] as const);
      // inside a transaction they wait for it
      if (point !== "cache.placed") succeeded(...(await removed));
      const got = await get.letGo();
      succeeded(got, ...(await removed));
      expect(read(got.stdout.trim())).toEqual(read(here.at("it")));
      await endsWell(here, ["other@v1"]);
    });

  test(`rm and gc are faster than somebody who reads ${kind}: it is not found, and nothing is damaged`, async () => {
    using here = place();
    await withGarbage(here, kind);
    await did(here, "restore", "gone");
    // its lease is there, and holds nothing yet
    const get = await heldAt(here, ["get", "gone"], "transaction.committed");
    succeeded(await here.coffer(["rm", "gone"]), await here.coffer(GC));
    const got = await get.letGo();
    expect([got.code, got.stdout]).toEqual([4, ""]);
    await endsWell(here, ["other@v1"]);
  });
}
