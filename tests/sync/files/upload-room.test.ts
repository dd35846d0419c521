import { expect, test } from "bun:test";
import type { Progress } from "../../../src/sync/tally.ts";
import { UploadRoom } from "../../../src/sync/files/upload-room.ts";
import type { Load } from "../../../src/sync/files/upload-room.ts";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import { mlflow, needsMlflow } from "../../support/mlflow.ts";
import { storeFor, sync, tellLater } from "../../support/told.ts";

/** Counts what is on its way at once, at most. */
function counting() {
  const seen = { uploads: 0, bytes: 0, order: [] as number[] };
  let uploads = 0;
  let bytes = 0;
  const upload = async (own: number): Promise<void> => {
    seen.order.push(own);
    uploads++;
    bytes += own;
    seen.uploads = Math.max(seen.uploads, uploads);
    seen.bytes = Math.max(seen.bytes, bytes);
    await Bun.sleep(0);
    uploads--;
    bytes -= own;
  };
  return { seen, upload };
}

/** Holds the first ones until `enough` are there together, and a moment longer for one too many. */
function crowded(enough: number) {
  const { promise: full, resolve } = Promise.withResolvers<void>();
  let flying = 0;
  let most = 0;
  return {
    async join(): Promise<void> {
      most = Math.max(most, ++flying);
      if (most >= enough) resolve();
      await Promise.race([full, Bun.sleep(20_000)]);
      await Bun.sleep(50);
      flying--;
    },
    most: () => most,
  };
}

const weigh = (own: number): Load => ({ bytes: own, places: 1 });

const cases: [what: string, weights: number[], room: UploadRoom, uploads: number, bytes: number][] = [
  ["nothing", [], new UploadRoom(4, 10), 0, 0],
  ["as many as there are jobs", [1, 1, 1, 1, 1], new UploadRoom(2, 10), 2, 2],
  ["no more than its bytes", [4, 4, 4, 4], new UploadRoom(4, 10), 2, 8],
  ["one that is too heavy alone", [1, 50, 1], new UploadRoom(4, 10), 1, 50],
];
for (const [what, weights, room, uploads, bytes] of cases)
  test(`there is room for ${what}`, async () => {
    const { seen, upload } = counting();
    await room.each(weights, weigh, upload);
    expect(seen).toEqual({ uploads, bytes, order: weights });
  });

test("those who share it share its uploads and its bytes, and none waits for ever", async () => {
  for (const [room, uploads, bytes] of [
    [new UploadRoom(3, 1000), 3, 30],
    [new UploadRoom(8, 25), 2, 20],
  ] as const) {
    const { seen, upload } = counting();
    await Promise.all(Array.from({ length: 5 }, () => room.each([10, 10, 10, 10], weigh, upload)));
    expect(seen).toEqual({ uploads, bytes, order: Array.from({ length: 20 }, () => 10) });
  }
});

test("what takes several places leaves fewer to others, and goes alone where there are not so many", async () => {
  for (const [jobs, uploads] of [
    [6, 3],
    [5, 2],
    [1, 1],
  ] as const) {
    const { seen, upload } = counting();
    await new UploadRoom(jobs).each([1, 1, 1, 1, 1], (bytes) => ({ bytes, places: 2 }), upload);
    expect(seen.uploads).toBe(uploads);
  }
});

test("a heavy one is not passed for ever by light ones of somebody else", async () => {
  const room = new UploadRoom(4, 10);
  const { seen, upload } = counting();
  await Promise.all([room.each([1, 1, 1, 1, 1, 1, 1, 1], weigh, upload), room.each([9], weigh, upload)]);
  expect(seen.order.indexOf(9)).toBeLessThan(6);
  expect(seen.bytes).toBe(10);
});

test("after an error nothing else of the same call begins, and others go on", async () => {
  const room = new UploadRoom(2, 2);
  const done: string[] = [];
  const fails = room.each([1, 1, 1, 1], weigh, async () => {
    await Bun.sleep(0);
    done.push("tried");
    throw new Error("away");
  });
  const goesOn = room.each(
    ["a", "b", "c"],
    () => ({ bytes: 1, places: 1 }),
    async (name) => void done.push(name),
  );
  expect(await fails.catch((error: unknown) => error)).toEqual(new Error("away"));
  await goesOn;
  expect(done.toSorted()).toEqual(["a", "b", "c", "tried", "tried"]);
});

needsMlflow(test)("files of models that go side by side share one room, and are told as they go", async () => {
  const flights = crowded(3);
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request) =>
    request.startsWith("PUT ") ? { held: flights.join() } : undefined,
  );
  using stored = await storeFor(proxy.uri);
  const files = { MLmodel: "flavors: {}", "data/a": "aa", "data/b": "bbb" };
  await tellLater(stored, { artifacts: ["m", "n", "o", "p"].map((path) => ({ path, files })) });
  const seen: Progress[] = [];
  const report = await sync(stored, { jobs: 3, progress: (progress) => seen.push(progress) });
  expect(report).toMatchObject({ synced: 1, left: 0, runs: [{ sent: { models: 4, files: 12 } }] });
  expect(flights.most()).toBe(3);
  expect(seen.at(-1)).toMatchObject({ files: { done: 12, of: 12 }, bytes: { done: 64, of: 64 } });
  // first the run's, then those of all its models: whoever adds them up is told of each once
  expect(seen.filter(({ files: { done } }, at) => done < (seen[at - 1]?.files.done ?? 0))).toHaveLength(1);
  expect(new Set(seen.map(({ files: { of } }) => of))).toEqual(new Set([12]));
  expect(proxy.requests.filter((request) => request.includes("/models/"))).toHaveLength(12);
});

needsMlflow(test)("large files go four at once through a server, and small ones as many as there are jobs", async () => {
  for (const [size, jobs, most] of [
    [1024 * 1024, 8, 4],
    [1024 * 1024, 5, 4],
    [1024 * 1024, 2, 2],
    [1000, 8, 8],
  ] as const) {
    const flights = crowded(most);
    await using proxy = await faultyProxy(mlflow.proxied.uri, (request) =>
      request.startsWith("PUT ") ? { held: flights.join() } : undefined,
    );
    using stored = await storeFor(proxy.uri);
    const files = Object.fromEntries(Array.from({ length: 12 }, (_, nth) => [`f${nth}`, `${nth}`.padEnd(size)]));
    await tellLater(stored, { artifacts: [{ path: "d", files }] });
    expect(await sync(stored, { jobs })).toMatchObject({ synced: 1, left: 0 });
    expect(flights.most()).toBe(most);
  }
});
