import { describe, expect, test } from "bun:test";
import { chooseGarbage } from "../../src/gc/retention.ts";
import type { ArtifactFacts } from "../../src/gc/retention.ts";
import type { GcRules } from "../../src/gc/rules.ts";

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const OFF: GcRules = {
  grace: HOUR,
  orphans: true,
  failedRuns: null,
  workspaces: null,
  maxVersions: null,
  maxAge: null,
  maxSize: null,
  forgetUnsynced: false,
};

/** Versions 1…n of a name, the first `days` old each. Their seqs are their versions. */
function versions(ages: readonly number[], name: string | null = "model"): ArtifactFacts[] {
  return ages.map((days, index) => ({ seq: index + 1, name, version: index + 1, state: "live", since: NOW - days * DAY }));
}

interface Given {
  roots?: ReadonlyMap<number, string>;
  edges?: readonly (readonly [artifact: number, dependency: number])[];
}

function choose(artifacts: Iterable<ArtifactFacts>, rules: Partial<GcRules>, { roots = new Map(), edges = [] }: Given = {}) {
  const { garbage, spared } = chooseGarbage(
    artifacts,
    (candidates) => ({
      roots,
      needed: new Map(
        edges
          .filter(([artifact, dependency]) => candidates.has(dependency) && !candidates.has(artifact))
          .map(([artifact, dependency]) => [dependency, artifact]),
      ),
      dependencies: (artifact) => edges.filter((edge) => edge[0] === artifact).map((edge) => edge[1]),
    }),
    { ...OFF, ...rules },
    NOW,
  );
  return {
    goes: [...garbage.keys()].sort((a, b) => a - b),
    spared: spared.map(({ condemned, keeper }) => [condemned.seq, keeper] as const),
  };
}

const ninetyDays = { maxAge: 90 * DAY };
const ten = { maxVersions: 10 };
const twelve = versions(Array<number>(12).fill(1));

describe("what a rule condemns", () => {
  const table: [title: string, artifacts: ArtifactFacts[], rules: Partial<GcRules>, goes: number[]][] = [
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
  for (const [title, artifacts, rules, goes] of table) test(title, () => expect(choose(artifacts, rules).goes).toEqual(goes));

  test("a newest version that is too old is named among what is kept", () => {
    expect(choose(versions([900]), ninetyDays).spared).toEqual([[1, { because: "it is the newest version of its name" }]]);
  });
});

describe("what protects", () => {
  for (const because of ["it is pinned", "an alias points at it (best)", "a live process uses it", "not delivered to http://mlflow yet"])
    test(`a condemned version stays, and it is said why: ${because}`, () => {
      expect(choose(twelve, ten, { roots: new Map([[1, because]]) })).toEqual({ goes: [2], spared: [[1, { because }]] });
    });

  test("a version that something depends on stays", () => {
    expect(choose(twelve, ten, { edges: [[12, 1]] })).toEqual({ goes: [2], spared: [[1, { neededBy: 12 }]] });
  });

  test("something condemned protects nothing", () => {
    expect(choose(twelve, ten, { edges: [[2, 1]] }).goes).toEqual([1, 2]);
  });

  test("a dependency of a dependency stays, in whatever order the edges come", () => {
    const chain = [
      [4, 3],
      [3, 2],
      [2, 1],
      [9, 4],
    ] as const;
    for (const edges of [chain, [...chain].reverse()])
      expect(choose(versions([91, 91, 91, 91, 91, 91, 91, 91, 1]), ninetyDays, { edges }).goes).toEqual([5, 6, 7, 8]);
  });

  test("what a pinned one was made from stays with it", () => {
    expect(
      choose(
        twelve,
        { maxVersions: 2 },
        {
          roots: new Map([[5, "it is pinned"]]),
          edges: [
            [5, 3],
            [4, 2],
          ],
        },
      ).goes,
    ).toEqual([1, 2, 4, 6, 7, 8, 9, 10]);
  });
});
