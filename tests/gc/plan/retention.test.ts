import { describe, expect, test } from "bun:test";
import { itemsOf, keptOf } from "../../../src/gc/plan/gc-plan.ts";
import { planGc } from "../../../src/gc/plan/plan.ts";
import { judge, verdictWords } from "../../../src/gc/plan/retention.ts";
import type { GcRules } from "../../../src/gc/plan/rules.ts";
import { openTestStore } from "../../support/store.ts";

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const OFF: GcRules = {
  grace: HOUR,
  orphans: false,
  failedRuns: null,
  workspaces: null,
  maxVersions: null,
  maxAge: null,
  maxSize: null,
  forgetUnsynced: false,
};

interface Facts {
  seq: number;
  name: string | null;
  version: number;
  state: "live" | "removed" | "withdrawn";
  since: number;
}

/** Versions 1…n of a name, the first `days` old each. Their seqs are their versions. */
function versions(ages: readonly number[], name: string | null = "model"): Facts[] {
  return ages.map((days, index) => ({ seq: index + 1, name, version: index + 1, state: "live", since: NOW - days * DAY }));
}

interface Given {
  pinned?: readonly number[];
  edges?: readonly (readonly [artifact: number, dependency: number])[];
}

/** What a plan over rows like these takes and keeps, by seq; the rule for one artifact must say the same of each. */
async function choose(facts: readonly Facts[], rules: Partial<GcRules>, { pinned = [], edges = [] }: Given = {}) {
  using t = await openTestStore();
  t.now = NOW;
  const { db } = t.store;
  for (const { seq, name, version, state, since } of facts) {
    // a withdrawn one counts from the end of its run
    const run = t.run({ state: "failed", ended_at: since });
    db.query(
      "INSERT INTO blobs (seq, blake3, size, state, dataset, place, path, created_at) VALUES (?1, unhex(printf('%064x', ?1)), 1, 'live', 'default', 'file', ?1, 0)",
    ).run(seq);
    db.query(
      `INSERT INTO artifacts (seq, uid, id, run, name, version, state, state_at, role, kind, blob, digest, size, mode, path, type, created_at)
       VALUES (?1, ?1, ?1, ?2, ?3, ?4, ?5, ?6, 'output', 'file', ?1, 'blake3:', 1, 420, ?1, 'file', ?6)`,
    ).run(seq, run.seq, name, version, state, since);
    if (name !== null)
      db.query("INSERT INTO series VALUES ('name ' || ?1, ?2) ON CONFLICT (key) DO UPDATE SET last_version = max(last_version, ?2)").run(
        name,
        version,
      );
  }
  for (const seq of pinned) db.query("INSERT INTO pins (artifact, set_at) VALUES (?, 0)").run(seq);
  for (const [artifact, dependency] of edges)
    db.query("INSERT INTO edges (artifact, dependency, position, implicit) VALUES (?, ?, 0, 0)").run(artifact, dependency);
  const all = { ...OFF, ...rules };
  const plan = planGc(t.store, all);
  const items = [...itemsOf(plan)];
  const spared = [...keptOf(plan)].map(({ what, because }) => [what, because] as const);
  const newer = (one: Facts): number | null =>
    one.name === null
      ? null
      : facts.filter((other) => other.name === one.name && other.state === "live" && other.version > one.version).length;
  const judged = facts.flatMap((one) => {
    const verdict = judge({ ...one, newer: newer(one) }, all, NOW);
    return verdict ? [[one.seq, verdictWords(verdict, all, NOW)]] : [];
  });
  const condemned = items.map((item) => [item.kind === "artifact" ? item.seq : -1, item.why]);
  judged.sort((a, b) => Number(a[0]) - Number(b[0]));
  return { goes: condemned.map(([seq]) => seq as number), spared, judged, condemned };
}

const ninetyDays = { maxAge: 90 * DAY };
const ten = { maxVersions: 10 };
const twelve = versions(Array<number>(12).fill(1));

describe("what a rule condemns", () => {
  const table: [title: string, artifacts: Facts[], rules: Partial<GcRules>, goes: number[]][] = [
    ["a version of 91 days goes, one of 89 stays", versions([91, 89, 1]), ninetyDays, [1]],
    ["a version of exactly 90 days stays", versions([90, 1]), ninetyDays, []],
    ["of 12 versions with a limit of 10 the oldest two go", twelve, ten, [1, 2]],
    [
      "version 10 comes after version 9, in whatever order they are listed",
      [...twelve].sort((a, b) => String(a.version).localeCompare(String(b.version))),
      { maxVersions: 2 },
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    ],
    ["the newest version stays whatever its age", versions([900, 800]), { ...ninetyDays, maxVersions: 1 }, [1]],
    ["either rule condemns", versions([200, 1, 1, 1]), { ...ninetyDays, maxVersions: 2 }, [1, 2]],
    ["without a name there is no newest: age alone counts", versions([91, 89], null), { ...ninetyDays, maxVersions: 1 }, [1]],
    ["without rules nothing live goes", versions([900, 800, 700]), {}, []],
    [
      "two names are counted apart",
      [...versions([1, 1]), ...versions([1, 1], "other").map((facts) => ({ ...facts, seq: facts.seq + 10 }))],
      { maxVersions: 1 },
      [1, 11],
    ],
    [
      "what rm took away goes after the grace",
      [
        { seq: 1, name: null, version: 1, state: "removed", since: NOW - HOUR },
        { seq: 2, name: null, version: 1, state: "removed", since: NOW - HOUR + 1 },
      ],
      {},
      [1],
    ],
    [
      "what a failed run registered stays without the rule",
      [{ seq: 1, name: "model", version: 1, state: "withdrawn", since: NOW - 900 * DAY }],
      ninetyDays,
      [],
    ],
    [
      "what a failed run registered goes after its days",
      [
        { seq: 1, name: null, version: 1, state: "withdrawn", since: NOW - 7 * DAY },
        { seq: 2, name: null, version: 1, state: "withdrawn", since: NOW - 6 * DAY },
      ],
      { failedRuns: 7 * DAY },
      [1],
    ],
    [
      "a removed version does not count among the newer ones",
      [...versions([1, 1]), { seq: 3, name: "model", version: 3, state: "removed", since: NOW }],
      { maxVersions: 1 },
      [1],
    ],
  ];
  for (const [title, artifacts, rules, goes] of table)
    test(title, async () => {
      const chosen = await choose(artifacts, rules);
      expect(chosen.goes).toEqual(goes);
      expect(chosen.judged).toEqual(chosen.condemned);
    });

  test("a newest version that is too old is named among what is kept", async () => {
    expect(await choose(versions([900]), ninetyDays)).toMatchObject({
      goes: [],
      spared: [["model@v1", "it is the newest version of its name"]],
    });
  });
});

describe("what protects", () => {
  test("a condemned version that is pinned stays, and it is said why", async () => {
    expect(await choose(twelve, ten, { pinned: [1] })).toMatchObject({ goes: [2], spared: [["model@v1", "it is pinned"]] });
  });

  test("a version that something depends on stays", async () => {
    expect(await choose(twelve, ten, { edges: [[12, 1]] })).toMatchObject({
      goes: [2],
      spared: [["model@v1", "model@v12 was made from it"]],
    });
  });

  test("something condemned protects nothing", async () => {
    expect((await choose(twelve, ten, { edges: [[2, 1]] })).goes).toEqual([1, 2]);
  });

  test("a dependency of a dependency stays", async () => {
    const edges = [
      [4, 3],
      [3, 2],
      [2, 1],
      [9, 4],
    ] as const;
    expect((await choose(versions([91, 91, 91, 91, 91, 91, 91, 91, 1]), ninetyDays, { edges })).goes).toEqual([5, 6, 7, 8]);
  });

  test("what a pinned one was made from stays with it", async () => {
    expect((await choose(twelve, { maxVersions: 1 }, { pinned: [5], edges: [[5, 2]] })).goes).toEqual([1, 3, 4, 6, 7, 8, 9, 10, 11]);
  });
});
