import { expect, test } from "bun:test";
import { search as each } from "../../src/db/records/artifact-search.ts";
import * as metrics from "../../src/db/records/metrics.ts";
import * as params from "../../src/db/records/params.ts";
import * as tags from "../../src/db/records/tags.ts";
import { parseCondition, parseSort } from "../../src/registry/where.ts";
import { openTestStore } from "../support/store.ts";
import { logFile } from "./logged.ts";

const search = (...given: Parameters<typeof each>) => [...each(...given)];

test.each([
  ["metrics.rmse < 0.2", { field: "metrics.rmse", operator: "<", value: "0.2" }],
  ["metrics.rmse<=0.2", { field: "metrics.rmse", operator: "<=", value: "0.2" }],
  ["  params.opt == 'adam w' ", { field: "params.opt", operator: "=", value: "adam w" }],
  ["tags.team!=growth", { field: "tags.team", operator: "!=", value: "growth" }],
  ["metrics.val/loss.total > -1e-3", { field: "metrics.val/loss.total", operator: ">", value: "-1e-3" }],
  ["size >= 10MB", { field: "size", operator: ">=", value: "10000000" }],
  ["created >= 2026-01-01", { field: "created", operator: ">=", value: "2026-01-01T00:00:00.000Z" }],
  ["created < 2026-01-01 12:30 +02:00", { field: "created", operator: "<", value: "2026-01-01T10:30:00.000Z" }],
] as const)("%s is a condition", (text, wanted) => {
  expect(parseCondition(text)).toEqual(wanted);
});

test.each([
  "",
  "rmse",
  "rmse < 1",
  "metrics < 1",
  "metrics. < 1",
  "metrics.a",
  "metrics.a <",
  "< 1",
  "metrics.a << 1",
  "constructor = 1",
  "toString = 1",
  "size > many",
  "1 < metrics.a",
  "metrics.a ~ 1",
  "created < 2026-9-1",
  "created > 2020-13-45",
  "created = yesterday",
])("“%s” is no condition", (text) => {
  expect(() => parseCondition(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }));
});

test("conditions look at the artifact first, then at its run", async () => {
  using test = await openTestStore();
  const run = test.run();
  const plain = await test.add({ run, bytes: "12345" });
  metrics.insert(test.store.db, run.seq, [
    { key: "rmse", value: 0.5, step: 1, time: 1 },
    { key: "rmse", value: 0.1, step: 2, time: 2 },
    { key: "nan", value: Number.NaN, step: 0, time: 0 },
    { key: "big", value: Infinity, step: 0, time: 0 },
  ]);
  params.set(test.store.db, run.seq, [
    ["lr", "0.10"],
    ["opt", "adam"],
    ["empty", ""],
  ]);
  tags.set(test.store.db, "run", run.seq, [
    ["team", "vision"],
    ["only", "run"],
  ]);
  tags.set(test.store.db, "artifact", plain.seq, [["team", "growth"]]);
  const holds = (...texts: string[]) =>
    search(
      test.store.db,
      {},
      texts.map((one) => parseCondition(one)),
    ).length === 1;
  for (const text of [
    "metrics.rmse < 0.2",
    "metrics.rmse = 1e-1",
    "metrics.rmse != 0.5",
    "metrics.big > 1e300",
    "params.lr = 0.1",
    "params.opt = adam",
    "params.opt < b",
    "tags.team = growth",
    "tags.only = run",
    "size = 5",
    "size < 1KiB",
    "version = 1",
    "files = 1",
    "type = file",
    "created > 2020",
    "metrics.nan != 1",
  ])
    expect([text, holds(text)]).toEqual([text, true]);
  for (const text of [
    "metrics.rmse > 0.2",
    "metrics.rmse < 0.1",
    "metrics.none < 1",
    "metrics.none != 1",
    "params.opt = Adam",
    "tags.team = vision",
    "name = x",
    "step = 0",
    "created > 9999",
    "metrics.nan < 1",
    "metrics.nan > 1",
    "metrics.constructor = 1",
  ])
    expect([text, holds(text)]).toEqual([text, false]);
  expect([holds("size = 5", "version = 1"), holds("size = 5", "version = 2"), holds()]).toEqual([true, false, true]);
});

test("an artifact's own metrics and params count before its run's", async () => {
  using test = await openTestStore();
  const run = test.run({ state: "running" });
  metrics.insert(test.store.db, run.seq, [{ key: "rmse", value: 9, step: 0, time: 0 }]);
  const own = await logFile(test, { metrics: { rmse: 0.1 }, params: { lr: 3 } }, { run });
  expect(search(test.store.db, {}, [parseCondition("metrics.rmse < 1"), parseCondition("params.lr = 3.0")]).map(({ seq }) => seq)).toEqual([
    own.seq,
  ]);
});

test.each(["step = all", "fold < all", "fold = none", "version = two", "metrics.a = big"])(
  "“%s” compares with what is no number",
  (text) => {
    expect(() => parseCondition(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }));
  },
);

test.each(["", "rmse", "metrics.", "size > 1", "metrics.a b", "toString"])("“%s” is nothing to sort by", (text) => {
  expect(() => parseSort(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }));
});

test("what to sort by may hold a colon of its own", () => {
  expect(["metrics.a", "params.a:b:desc", "size:asc", "metrics.a:DESC"].map((one) => parseSort(one))).toEqual([
    { field: "metrics.a", descending: false },
    { field: "params.a:b", descending: true },
    { field: "size", descending: false },
    { field: "metrics.a", descending: true },
  ]);
});

test("a step's branch and fold are fields; a fold is a number or all", async () => {
  using test = await openTestStore();
  const run = test.run({ state: "running" });
  const step = { pipeline: "p", step: 3, subStep: null };
  const nested = await logFile(test, { step: { ...step, branch: [0, 2], fold: 1 } }, { run, as: "a" });
  const whole = await logFile(test, { step: { ...step, branch: [1], fold: null } }, { run, as: "b" });
  const none = await logFile(test, {}, { run, as: "c" });
  const found = (text: string) => search(test.store.db, {}, [parseCondition(text)]).map(({ seq }) => seq);
  expect([found("branch = 0:2"), found("branch = 1"), found("branch != 1"), found("pipeline = p")]).toEqual([
    [nested.seq],
    [whole.seq],
    [nested.seq],
    [whole.seq, nested.seq],
  ]);
  expect([found("fold = all"), found("fold != all"), found("fold = 1"), found("fold != 1"), found("fold >= 0")]).toEqual([
    [whole.seq],
    [nested.seq],
    [nested.seq],
    [whole.seq],
    [nested.seq],
  ]);
  expect(found("path = c")).toEqual([none.seq]);
});

test("several tags must all hold, each on the artifact or on its run", async () => {
  using test = await openTestStore();
  const run = test.run();
  const [both, one] = [await test.add({ run }), await test.add({ run })];
  tags.set(test.store.db, "run", run.seq, [["a", "1"]]);
  tags.set(test.store.db, "artifact", both.seq, [["b", "2"]]);
  const list = (...filter: [string, string | undefined][]) => search(test.store.db, { tags: filter }, []).map(({ seq }) => seq);
  expect(list(["a", undefined])).toEqual([one.seq, both.seq]);
  expect(list(["a", undefined], ["b", undefined])).toEqual([both.seq]);
  expect(list(["a", "1"], ["b", "2"])).toEqual([both.seq]);
  expect(list(["a", "2"])).toEqual([]);
  expect(list(["c", undefined])).toEqual([]);
});
