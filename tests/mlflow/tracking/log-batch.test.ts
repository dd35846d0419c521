import { expect, test } from "bun:test";
import fc from "fast-check";
import { planBatches, sendBatch } from "../../../src/mlflow/tracking/log-batch.ts";
import type { RunData } from "../../../src/mlflow/tracking/log-batch.ts";
import type { Metric } from "../../../src/mlflow/tracking/log-values.ts";
import { readMetricHistory, storedValue } from "../../../src/mlflow/tracking/metric-history.ts";
import { remoteKey } from "../../../src/mlflow/tracking/remote-key.ts";
import { getRun } from "../../../src/mlflow/tracking/runs.ts";
import { mlflow, needsMlflow } from "../../support/mlflow.ts";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import { connectQuickly, newRun } from "../../support/quick-connection.ts";

const live = needsMlflow(test);
const point = (more: Partial<Metric> = {}): Metric => ({ key: "loss", value: 0.5, timestamp: 1_700_000_000_000, step: 0, ...more });
const pairs = (count: number, value = "v") => Array.from({ length: count }, (_, index) => ({ key: `k${index}`, value }));
const points = (count: number): Metric[] => Array.from({ length: count }, (_, step) => point({ step }));
const shape = (data: RunData) => planBatches(data).batches.map(({ params, tags, metrics }) => [params.length, tags.length, metrics.length]);

const sizes: [what: string, data: RunData, batches: number[][]][] = [
  ["nothing", {}, []],
  ["one of each", { params: pairs(1), tags: pairs(1), metrics: points(1) }, [[1, 1, 1]]],
  [
    "100 params and 100 tags leave room for 800 metrics",
    { params: pairs(100), tags: pairs(100), metrics: points(801) },
    [
      [100, 100, 800],
      [0, 0, 1],
    ],
  ],
  [
    "101 params",
    { params: pairs(101) },
    [
      [100, 0, 0],
      [1, 0, 0],
    ],
  ],
  [
    "101 tags",
    { tags: pairs(101) },
    [
      [0, 100, 0],
      [0, 1, 0],
    ],
  ],
  ["1,000 metrics", { metrics: points(1000) }, [[0, 0, 1000]]],
  [
    "2,001 metrics",
    { metrics: points(2001) },
    [
      [0, 0, 1000],
      [0, 0, 1000],
      [0, 0, 1],
    ],
  ],
  [
    "long values stay below what proxies let through",
    { params: pairs(100, "é".repeat(6000)) },
    [
      [74, 0, 0],
      [26, 0, 0],
    ],
  ],
];
for (const [what, data, batches] of sizes) test(`batches: ${what}`, () => expect(shape(data)).toEqual(batches));

const wrong: [what: string, data: RunData][] = [
  ["a fractional time", { metrics: [point({ timestamp: 1.5 })] }],
  ["a time before 1970", { metrics: [point({ timestamp: -1 })] }],
  ["a time beyond all integers", { metrics: [point({ timestamp: 2 ** 53 })] }],
  ["a time that is no number", { metrics: [point({ timestamp: NaN })] }],
  ["a fractional step", { metrics: [point({ step: 0.1 })] }],
  ["a value that is text", { metrics: [point({ value: "0.5" as unknown as number })] }],
  ["a param that is a number", { params: [{ key: "lr", value: 0.1 as unknown as string }] }],
  ["a tag that is nothing", { tags: [{ key: "t", value: undefined as unknown as string }] }],
  ["an empty key", { params: [{ key: "", value: "x" }] }],
  [
    "a param with two values",
    {
      params: [
        { key: "lr", value: "1" },
        { key: "lr", value: "2" },
      ],
    },
  ],
];
for (const [what, data] of wrong)
  test(`${what} is refused before anything is sent`, () => {
    expect(() => planBatches({ ...data, metrics: [...points(1500), ...(data.metrics ?? [])] })).toThrow(
      expect.objectContaining({ code: "VALUE_INVALID" }),
    );
  });

test("what cannot be sent as it is, is changed and told once", () => {
  const { batches, changes } = planBatches({
    params: [
      { key: "long", value: "😀".repeat(6001) },
      { key: "same", value: "x" },
      { key: "same", value: "x" },
    ],
    tags: [
      { key: "note", value: "a\0b\ud800" },
      { key: "note", value: "last" },
      { key: "big", value: "y".repeat(8001) },
    ],
    metrics: [point({ key: "a@b" }), point({ key: "a@b", step: 1 })],
  });
  expect(changes).toEqual([
    { kind: "param", key: "long", what: "cut", to: 6000 },
    { kind: "tag", key: "note", what: "cleaned", to: 4 },
    { kind: "tag", key: "big", what: "cut", to: 8000 },
    { kind: "metric", key: "a@b", what: "renamed", to: remoteKey("a@b").key },
  ]);
  expect(batches[0]?.params).toEqual([
    { key: "long", value: "😀".repeat(6000) },
    { key: "same", value: "x" },
  ]);
  expect(batches[0]?.tags.map(({ value }) => value.length)).toEqual([4, 8000]);
});

test("two keys that the server would take for one are told, and the rest goes", () => {
  const name = remoteKey("k#1").key;
  const both = [
    { key: "k#1", value: "mapped" },
    { key: name, value: "real" },
    { key: "other", value: "o" },
  ];
  for (const [given, first, last] of [
    [both, "mapped", "real"],
    [both.toReversed(), "real", "mapped"],
  ] as const) {
    const metrics = given.map(({ key }) => point({ key }));
    const { batches, changes } = planBatches({ params: given, tags: given, metrics });
    const kinds = ["param", "tag", "metric"] as const;
    expect(changes.filter(({ what }) => what === "merged")).toEqual(kinds.map((kind) => ({ kind, key: "k#1", what: "merged", to: name })));
    const values = (pairs: { key: string; value: string }[] | undefined) =>
      Object.fromEntries(pairs?.map(({ key, value }) => [key, value]) ?? []);
    expect(values(batches[0]?.params)).toEqual({ [name]: first, other: "o" });
    expect(values(batches[0]?.tags)).toEqual({ [name]: last, other: "o" });
    expect(batches[0]?.metrics).toHaveLength(3);
  }
});

live("odd values and 2,500 points arrive whole, twice sent or not", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  const run = await newRun(connection);
  const odd = [NaN, Infinity, -Infinity, 0, -1e-300, 1.7976931348623157e308, 5e-324].map((value, step) =>
    point({ key: "odd", value, step: -step, timestamp: 0 }),
  );
  const data = {
    params: [{ key: "empty", value: "" }, ...pairs(150, "ü")],
    tags: [{ key: "t", value: '"\\\n' }],
    metrics: [...odd, ...points(2493)],
  };
  const { batches } = planBatches(data);
  for (const batch of [...batches, ...batches]) await sendBatch(connection, run.id, batch);
  const seen = await getRun(connection, run.id);
  expect(seen.params.size).toBe(151);
  expect(seen.params.get("empty")).toBe("");
  expect(seen.tags.get("t")).toBe('"\\\n');
  expect(new Set(seen.metricKeys)).toEqual(new Set(["odd", "loss"]));
  const back = (await Array.fromAsync(readMetricHistory(connection, run.id, "odd"))).flat();
  expect(back.sort((a, b) => b.step - a.step)).toEqual(
    odd.map((metric) => ({ ...metric, step: metric.step + 0, value: storedValue(metric.value) })),
  );
  expect((await Array.fromAsync(readMetricHistory(connection, run.id, "loss"))).flat()).toHaveLength(2493);
});

live("a history that is longer than a page comes back whole", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  const run = await newRun(connection);
  for (const batch of planBatches({ metrics: points(5001) }).batches) await sendBatch(connection, run.id, batch);
  const steps = (await Array.fromAsync(readMetricHistory(connection, run.id, "loss"))).flat().map(({ step }) => step);
  expect(steps.sort((a, b) => a - b)).toEqual(points(5001).map(({ step }) => step));
});

live("a batch whose answer is lost is sent again and counts once", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request, nth) =>
    request.endsWith("log-batch") && nth === 1 ? { reset: "answer" } : undefined,
  );
  const connection = connectQuickly(proxy.uri);
  const run = await newRun(connection);
  for (const batch of planBatches({ metrics: points(10), params: pairs(3) }).batches) await sendBatch(connection, run.id, batch);
  expect((await Array.fromAsync(readMetricHistory(connection, run.id, "loss"))).flat()).toHaveLength(10);
  expect(proxy.requests.filter((request) => request.endsWith("log-batch"))).toHaveLength(2);
});

live(
  "whatever people call and write, the server keeps it as we said it would",
  async () => {
    const connection = connectQuickly(mlflow.proxied.uri);
    const text = fc.string({ unit: "binary", maxLength: 40 });
    const key = fc.string({ unit: "binary", minLength: 1, maxLength: 260 });
    const params = fc.uniqueArray(fc.record({ key, value: text }), {
      selector: (param) => remoteKey(param.key).key,
      minLength: 1,
      maxLength: 30,
    });
    await fc.assert(
      fc.asyncProperty(params, async (given) => {
        const run = await newRun(connection);
        const { batches } = planBatches({ params: given, tags: given });
        for (const batch of batches) await sendBatch(connection, run.id, batch);
        const seen = await getRun(connection, run.id);
        const sent = batches.flatMap((batch) => batch.params);
        expect(seen.params).toEqual(new Map(sent.map((param) => [param.key, param.value])));
        for (const param of sent) expect(seen.tags.get(param.key)).toBe(param.value);
      }),
      { numRuns: 15 },
    );
  },
  60_000,
);
