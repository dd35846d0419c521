import { expect, test } from "bun:test";
import fc from "fast-check";
import { search as each } from "../../../src/db/records/artifact-search.ts";
import type { FoundArtifact } from "../../../src/db/records/artifact-search.ts";
import * as artifacts from "../../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import type { Condition, Operator } from "../../../src/db/records/conditions.ts";
import * as metrics from "../../../src/db/records/metrics.ts";
import { numberOf } from "../../../src/db/open/number-in-sql.ts";
import * as params from "../../../src/db/records/params.ts";
import * as tags from "../../../src/db/records/tags.ts";
import { parseNumber } from "../../../src/domain/assignment.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";

const search = (...given: Parameters<typeof each>): FoundArtifact[] => [...each(...given)];

const KEYS = ["a", 'q"u', "back\\slash", "dot.ted", "constructor", "$[0]"];
const numeral = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer({ min: -3, max: 3 }).map(String),
  fc.stringMatching(/^[ \t]?[+-]?[0-9]{0,3}\.?[0-9]{0,3}(?:[eE][+-]?[0-9]{0,3})?\s?$/),
  fc.constantFrom(
    "nan",
    "NaN",
    "-inf",
    "+Infinity",
    "INF",
    ".",
    "",
    "e5",
    "0x10",
    "1_000",
    "1.5.2",
    "--1",
    "3rd",
    "\u00a07\u3000",
    "1e400",
    "-1e-400",
  ),
);
const text = fc.oneof(numeral, fc.constantFrom("adam", "sgd", "Adam", "yes", "10", "9"), fc.string({ maxLength: 4 }));
const number = fc.oneof(fc.double(), fc.constant(Number.NaN), fc.integer({ min: -2, max: 2 }));
const spellings = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

test("SQL reads numbers from text as the rest of coffer does", async () => {
  using test = await openTestStore();
  const read = test.store.db.query<{ n: number | string | null }, [string]>(`SELECT ${numberOf("x")} AS n FROM (SELECT ?1 AS x)`);
  fc.assert(
    fc.property(text, (given) => {
      const wanted = parseNumber(given);
      const { n } = read.get(given) as { n: number | string | null };
      if (wanted === undefined || Number.isNaN(wanted)) expect([given, n]).toEqual([given, wanted === undefined ? null : "NaN"]);
      // the last bit of a long numeral may differ
      else expect([given, n === wanted || Math.abs((n as number) - wanted) <= Math.abs(wanted) * 1e-15]).toEqual([given, true]);
    }),
    { numRuns: 3000 },
  );
});

test("conditions and order in SQL are those of the rule, told in a few lines", async () => {
  using test = await openTestStore();
  // many small writes that nobody needs to outlive the test
  test.store.db.run("PRAGMA synchronous = OFF");
  const rows: ArtifactRow[] = [];
  for (let nth = 0; nth < 6; nth++) rows.push(await test.add({ run: test.run(), ...(nth % 2 === 0 && { name: String(nth * 5) }) }));
  const values = fc.record({
    ownMetrics: fc.dictionary(fc.constantFrom(...KEYS), fc.oneof(number.map(spellings), text, fc.constantFrom(null, true))),
    ownParams: fc.dictionary(fc.constantFrom(...KEYS), fc.oneof(fc.integer(), text, fc.constantFrom(null, false))),
    metrics: fc.array(fc.record({ key: fc.constantFrom("a", "dot.ted"), value: number, step: fc.nat(2), time: fc.nat(2) }), {
      maxLength: 6,
    }),
    params: fc.array(fc.tuple(fc.constantFrom(...KEYS), text), { maxLength: 4 }),
    tags: fc.array(fc.tuple(fc.constantFrom(...KEYS), text), { maxLength: 4 }),
    ownTags: fc.array(fc.tuple(fc.constantFrom(...KEYS), text), { maxLength: 4 }),
  });
  const field = fc.oneof(
    fc.tuple(fc.constantFrom("metrics", "params", "tags"), fc.constantFrom("a", ...KEYS)).map((parts) => parts.join(".")),
    fc.constantFrom("name", "type", "path", "version", "size", "created"),
  );
  const condition = fc
    .record({ field, operator: fc.constantFrom<Operator>("=", "!=", "<", "<=", ">", ">="), value: text })
    // what parseCondition lets through
    .filter((it) => !/^(?:metrics\.|version$|size$)/.test(it.field) || parseNumber(it.value) !== undefined);
  fc.assert(
    fc.property(
      fc.array(values, { minLength: 6, maxLength: 6 }),
      fc.array(condition, { maxLength: 2 }),
      field,
      fc.boolean(),
      (said, conditions, by, descending) => {
        rows.forEach((row, nth) => say(test, row, said[nth] as (typeof said)[number]));
        const now = rows.map((row) => artifacts.bySeq(test.store.db, row.seq) as ArtifactRow).toReversed();
        const wanted = now.filter((row) => meets(test, row, conditions));
        expect(seqs(search(test.store.db, {}, conditions))).toEqual(seqs(wanted));
        expect(seqs(search(test.store.db, { limit: 2 }, conditions))).toEqual(seqs(wanted.slice(0, 2)));
        const sorted = search(test.store.db, {}, conditions, { field: by, descending });
        expect(seqs(sorted)).toEqual(seqs(sort(test, wanted, by, descending)));
        expect(sorted.map((row) => row.sorted_by ?? undefined)).toEqual(
          sort(test, wanted, by, descending).map((row) => shown(valueOf(test, row, by))),
        );
      },
    ),
    { numRuns: 120 },
  );
});

test("time is compared as ISO text, to the millisecond", async () => {
  using test = await openTestStore();
  const row = await test.add();
  test.store.db.run("PRAGMA synchronous = OFF");
  const set = test.store.db.query("UPDATE artifacts SET created_at = ?");
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e12 }), (at) => {
      set.run(at);
      const iso = new Date(at).toISOString();
      expect(search(test.store.db, {}, [{ field: "created", operator: "=", value: iso }]).map(({ seq }) => seq)).toEqual([row.seq]);
    }),
    { numRuns: 500 },
  );
});

type Value = string | number | undefined;

function valueOf({ store: { db } }: TestStore, row: ArtifactRow, field: string): Value {
  const plain: Record<string, Value> = {
    name: row.name ?? undefined,
    type: row.type,
    path: row.path,
    version: row.version,
    size: row.size,
    created: new Date(row.created_at).toISOString(),
  };
  if (Object.hasOwn(plain, field)) return plain[field];
  const cut = field.indexOf(".");
  const key = field.slice(cut + 1);
  switch (field.slice(0, cut)) {
    case "metrics":
      return own(row.metrics, key) ?? metrics.latest(db, row.run).find((point) => point.key === key)?.value;
    case "params":
      return own(row.params, key) ?? get(params.ofRun(db, row.run), key);
    default:
      return get(tags.of(db, "artifact", row.seq), key) ?? get(tags.of(db, "run", row.run), key);
  }
}

function own(json: string, key: string): Value {
  const value = get(JSON.parse(json) as Record<string, unknown>, key);
  return typeof value === "number" || typeof value === "string" ? value : undefined;
}

function get<T>(from: Record<string, T>, key: string): T | undefined {
  return Object.hasOwn(from, key) ? from[key] : undefined;
}

/** Numbers compare as numbers where both sides are; otherwise as text. */
function meets(test: TestStore, row: ArtifactRow, conditions: readonly Condition[]): boolean {
  return conditions.every(({ field, operator, value }) => {
    const left = valueOf(test, row, field);
    if (left === undefined) return false;
    const [a, b] = [numeric(left), parseNumber(value)];
    const isText = field === "created" || a === undefined || b === undefined;
    const order = isText
      ? Buffer.compare(Buffer.from(String(left)), Buffer.from(value))
      : a === b
        ? 0
        : a < b
          ? -1
          : a > b
            ? 1
            : Number.NaN;
    return { "=": order === 0, "!=": order !== 0, "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0 }[operator];
  });
}

/** Numbers, then texts, then what has none; the newest first among equals. */
function sort(test: TestStore, rows: readonly ArtifactRow[], field: string, descending: boolean): ArtifactRow[] {
  const isPlain = !field.includes(".");
  const place = (value: Value): number => {
    if (value === undefined || (!isPlain && Number.isNaN(numeric(value)))) return 2;
    return isPlain || numeric(value) !== undefined ? 0 : 1;
  };
  const turn = descending ? -1 : 1;
  return rows.toSorted((left, right) => {
    const [a, b] = [valueOf(test, left, field), valueOf(test, right, field)];
    if (place(a) !== place(b)) return place(a) - place(b);
    if (place(a) === 2) return 0;
    const [x, y] = [numeric(a as string), numeric(b as string)];
    const order =
      (!isPlain || typeof a === "number") && x !== undefined && y !== undefined
        ? x === y
          ? 0
          : x < y
            ? -1
            : 1
        : Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
    return order * turn;
  });
}

function numeric(value: string | number): number | undefined {
  return typeof value === "number" ? value : parseNumber(value);
}

/** As it stands in a row: there is no NaN, and -0 is 0. */
function shown(value: Value): Value {
  return Number.isNaN(value) ? "NaN" : value === 0 ? 0 : value;
}

function seqs(rows: readonly Pick<FoundArtifact, "seq">[]): number[] {
  return rows.map(({ seq }) => seq);
}

interface Said {
  ownMetrics: Record<string, unknown>;
  ownParams: Record<string, unknown>;
  metrics: metrics.MetricPoint[];
  params: [string, string][];
  tags: [string, string][];
  ownTags: [string, string][];
}

function say({ store: { db } }: TestStore, row: ArtifactRow, said: Said): void {
  for (const table of ["params", "tags", "metric_points"]) db.query(`DELETE FROM ${table} WHERE run = ?`).run(row.run);
  db.query("DELETE FROM artifact_tags WHERE artifact = ?").run(row.seq);
  db.query("UPDATE artifacts SET metrics = ?, params = ? WHERE seq = ?").run(
    JSON.stringify(said.ownMetrics),
    JSON.stringify(said.ownParams),
    row.seq,
  );
  params.set(db, row.run, said.params);
  tags.set(db, "run", row.run, said.tags);
  tags.set(db, "artifact", row.seq, said.ownTags);
  metrics.insert(db, row.run, said.metrics);
}
