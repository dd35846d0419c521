import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "bun:test";
import * as artifacts from "../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import type { Lineage } from "../../src/registry/lineage/lineage.ts";
import { ladder, plantArtifacts, plantEdges } from "../db/graph.ts";
import { readXml } from "../registry/xml.ts";
import { binary, coffer } from "../support/coffer.ts";
import { openTestStore } from "../support/store.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";
import { words } from "./words.ts";

const WITH_COFFER = { env: { PATH: `${dirname(binary())}:${process.env["PATH"]}` } };

async function log(here: Place, name: string, ...flags: string[]): Promise<void> {
  here.write(`${name}.csv`, name);
  const result = await here.coffer(["log", `${name}.csv`, "--name", name, ...flags]);
  if (result.code !== 0) throw new Error(result.stderr);
}

async function lineage(here: Place, ...args: string[]): Promise<Lineage> {
  return (await here.coffer(["lineage", ...args, "--json"])).json<Lineage & Record<string, unknown>>();
}

/** `model@v1 ← raw@v1`, with what is said of the edge. */
function told({ nodes, edges }: Lineage): string[] {
  const refs = new Map(nodes.map((node) => [node.uid, node.name === null ? node.path : node.ref]));
  return edges.map((edge) =>
    [
      `${refs.get(edge.artifact)} ← ${refs.get(edge.dependency)}`,
      ...(edge.role === "input" ? [] : [edge.role]),
      ...(edge.implicit ? ["implicit"] : []),
      ...(edge.changed ? ["changed"] : []),
    ].join(", "),
  );
}

/** raw → left, right → model → report. */
async function diamond(here: Place): Promise<void> {
  await log(here, "raw");
  await log(here, "left", "--depends-on", "raw");
  await log(here, "right", "--depends-on", "raw");
  await log(here, "model", "--depends-on", "spec=right", "--depends-on", "left");
  await log(here, "report", "--depends-on", "model");
}

test("lineage shows both ways as a tree, and one way with what hangs on it", async () => {
  using here = place();
  await diamond(here);
  await here.coffer(["pin", "left"]);
  await here.coffer(["rm", "right"]);
  expect((await here.coffer(["lineage", "model"])).stdout).toBe(`model@v1  dataset  5 B
made from
├─ right@v1  dataset  5 B  (spec, removed)
│  └─ raw@v1  dataset  3 B
└─ left@v1  dataset  4 B  (pinned)
   └─ raw@v1  (above)
made from it
└─ report@v1  dataset  6 B
`);
  expect((await here.coffer(["lineage", "raw", "--down", "--depth", "1"])).stdout).toBe(`raw@v1  dataset  3 B
made from it
├─ left@v1  dataset  4 B  (pinned)
└─ right@v1  dataset  5 B  (removed)

changing or deleting raw@v1 concerns
  artifacts  4
  runs       4
  names      4
  newest     left@v1, model@v1, report@v1
  pinned     left@v1
  gc         keeps it: no rule takes left@v1, model@v1, report@v1
`);
  // what is out of sight has a lineage too
  expect((await here.coffer(["lineage", "right", "--up"])).stdout).toContain("right@v1  dataset  5 B  (removed)\nmade from\n└─ raw@v1");
});

test("--depth says what it leaves out, on stderr and in the document", async () => {
  using here = place();
  await diamond(here);
  const { stderr } = await here.coffer(["lineage", "model", "--up", "--depth", "1"]);
  expect(stderr).toBe("coffer: --depth 1 leaves out one artifact that is a step further\n");
  const found = await lineage(here, "model", "--up", "--depth", "1");
  expect([found.depth, found.hidden, told(found)]).toEqual([1, 1, ["model@v1 ← right@v1, spec", "model@v1 ← left@v1"]]);
});

test("each format comes to stdout, or whole into a file that is not there yet", async () => {
  using here = place();
  await diamond(here);
  mkdirSync(here.at("pictures"));
  for (const [format, suffix, begins] of [
    ["tree", "txt", "model@v1"],
    ["json", "json", '{"schema":"coffer.lineage/1"'],
    ["dot", "dot", "digraph"],
    ["mermaid", "mmd", "flowchart"],
    ["svg", "svg", "<svg"],
  ] as const) {
    const { stdout } = await here.coffer(["lineage", "model", "--format", format]);
    expect(stdout).toStartWith(begins);
    const written = await here.coffer(["lineage", "model", "--format", format, "-o", "pictures"]);
    expect([written.code, written.stdout, words(written.stderr, here.path)]).toEqual([
      0,
      "",
      `coffer: wrote ROOT/pictures/lineage.${suffix}\n`,
    ]);
    expect(readFileSync(here.at(`pictures/lineage.${suffix}`), "utf8")).toBe(stdout);
  }
  const again = await here.coffer(["lineage", "model", "-o", "pictures/lineage.svg"]);
  expect([again.code, words(again.stderr, here.path).split("\n")[0]]).toEqual([5, "coffer: error: ROOT/pictures/lineage.svg exists"]);
  const nowhere = await here.coffer(["lineage", "model", "-o", "pictures/lineage.svg/inside"]);
  expect([nowhere.code, nowhere.stderr]).toEqual([1, expect.stringContaining("could not be written")]);
  expect(readdirSync(here.at("pictures"))).toHaveLength(5);
});

test.each([
  [["nothing"], 4, "nothing is called"],
  [["model", "--up", "--down"], 2, "leave both out"],
  [["model", "--json", "--format", "dot"], 2, "contradict"],
  [["model", "--depth", "-1"], 2, "--depth"],
  [["model", "--depth=1.5"], 2, "whole number"],
  [["model", "--format", "png"], 2, "tree, json, dot, mermaid, svg"],
])("lineage %j is refused", async (args, code, said) => {
  using here = place();
  await log(here, "model");
  const result = await here.coffer(["lineage", ...args]);
  expect([result.code, result.stdout, result.stderr.includes(said)]).toEqual([code, "", true]);
});

// What runs read ---------------------------------------------------------------------------------------------------

test("an input that changed during the run is flagged on the edges from all that the run made", async () => {
  using here = place();
  for (const name of ["raw", "steady"]) await log(here, name);
  await here.run(
    "echo 1 >early; coffer log early --name early --depends-on spec=raw; echo 2 >$W/model; echo more >>raw.csv; coffer get steady >/dev/null",
    ["--input", "raw.csv", "--input", "steady.csv", "--register", "model=model"],
    WITH_COFFER,
  );
  expect(told(await lineage(here, "raw", "--down"))).toEqual(["early@v1 ← raw@v1, spec, changed", "model@v1 ← raw@v1, implicit, changed"]);
  expect(told(await lineage(here, "model", "--up"))).toEqual(["model@v1 ← raw@v1, implicit, changed", "model@v1 ← steady@v1, implicit"]);
  expect((await here.coffer(["lineage", "model", "--up"])).stdout).toContain(
    "raw@v1  dataset  3 B  (read by the run, changed during the run)\n",
  );
  const manifests = readdirSync(here.at("artifacts/manifests")).filter((name) => name.endsWith(".yaml"));
  const texts = manifests.map((name) => readFileSync(here.at(`artifacts/manifests/${name}`), "utf8"));
  expect(texts.filter((text) => /changed: true/.test(text))).toHaveLength(1);
});

test("of several artifacts with the bytes of an input, the one that was kept from a file of its name is the input", async () => {
  using here = place();
  await log(here, "raw");
  await here.run("cp raw.csv $W/copy.csv", ["--register", "copy=copy.csv"]);
  await here.run("echo 1 >$W/model", ["--input", "raw.csv", "--register", "model=model"]);
  expect(told(await lineage(here, "model", "--up"))).toEqual(["model@v1 ← raw@v1, implicit"]);
});

test("what a nested run read is behind what it made, and not behind what the outer one made", async () => {
  using here = place();
  await log(here, "raw");
  await log(here, "other");
  await here.run(
    `coffer get other >/dev/null; coffer run --quiet --register inner=i -- sh -c 'cat "$(coffer get raw)" >$COFFER_WORKSPACE/i'; coffer get inner >/dev/null; echo o >$W/o`,
    ["--register", "outer=o"],
    WITH_COFFER,
  );
  expect(told(await lineage(here, "outer", "--up"))).toEqual([
    "inner@v1 ← raw@v1, implicit",
    "outer@v1 ← other@v1, implicit",
    "outer@v1 ← inner@v1, implicit",
  ]);
});

test("what a run logs depends on what it had read by then", async () => {
  using here = place();
  for (const name of ["first", "second"]) await log(here, name);
  await here.run(
    "coffer get first >/dev/null; echo 1 >a; coffer log a --name a; coffer get second >/dev/null; echo 2 >b; coffer log b --name b",
    [],
    WITH_COFFER,
  );
  expect(told(await lineage(here, "a", "--up"))).toEqual(["a@v1 ← first@v1, implicit"]);
  expect(told(await lineage(here, "b", "--up"))).toEqual(["b@v1 ← first@v1, implicit", "b@v1 ← second@v1, implicit"]);
});

// gc ---------------------------------------------------------------------------------------------------------------

test("gc keeps what the impact says that it keeps, and takes it when nothing holds it any more", async () => {
  using here = place();
  await log(here, "raw");
  await log(here, "model", "--depends-on", "raw@v1");
  here.write("raw.csv", "raw, again");
  await here.coffer(["log", "raw.csv", "--name", "raw"]);
  const gc = ["gc", "--max-versions", "1", "--grace", "0", "--apply"];
  const holders = async (): Promise<[number, string[]]> => {
    const { impact } = await lineage(here, "raw@v1", "--down");
    return [impact?.holders ?? -1, impact?.lasting ?? []];
  };
  expect(await holders()).toEqual([1, ["model@v1"]]);
  await here.coffer(gc);
  expect((await here.artifact("raw@v1")).state).toBe("live");
  await here.coffer(["rm", "model"]);
  expect(await holders()).toEqual([1, []]);
  await here.coffer(gc);
  expect(await holders()).toEqual([0, []]);
  await here.coffer(gc);
  expect((await here.artifact("raw@v1")).state).toBe("deleted");
  // the graph has no holes
  expect((await lineage(here, "raw@v1")).nodes.map(({ ref, state }) => `${ref} ${state}`)).toEqual(["raw@v1 deleted", "model@v1 deleted"]);
});

// Large graphs -----------------------------------------------------------------------------------------------------

test("a graph of 10,000 artifacts, wide or deep, comes in every format; of the picture the neighbourhood, and that is said", async () => {
  for (const shape of ["wide", "deep"] as const) {
    using test = await openTestStore();
    const seqs = plantArtifacts(test.store.db, await test.add(), 10_000);
    plantEdges(test.store.db, shape === "deep" ? ladder(seqs) : seqs.slice(1).map((seq) => [seq, seqs[0] as number] as const));
    const ref = (artifacts.bySeq(test.store.db, seqs[0] as number) as ArtifactRow).id;
    const call = (...flags: string[]) => coffer(["lineage", ref, ...flags], { root: test.store.root });
    const reached = shape === "wide" ? 10_000 : 9_999;
    const found = (await call("--json")).json<{ nodes: unknown[]; edges: unknown[] }>();
    expect([found.nodes.length, found.edges.length]).toEqual([reached, shape === "wide" ? 9_999 : 19_994]);
    expect((await call()).stdout.match(/^.* file /gm)?.length).toBe(reached);
    expect((await call("--format", "dot")).stdout.match(/ \[label="/g)?.length).toBeGreaterThanOrEqual(reached);
    const mermaid = await call("--format", "mermaid");
    expect(mermaid.stdout.match(/^ {2}n[0-9]+\["/gm)?.length).toBe(reached);
    expect(mermaid.stderr).toContain("Mermaid draws 500");
    const svg = await call("--format", "svg");
    expect(svg.stderr).toContain(`only the neighbourhood is drawn: the nearest 300 of ${reached} artifacts`);
    const { faults, texts } = readXml(svg.stdout);
    expect([faults, texts[1]]).toEqual([[], expect.stringContaining("only the neighbourhood is drawn")]);
    expect(svg.stdout.match(/<g><title>/g)?.length).toBe(300);
    const near = await call("--format", "svg", "--depth", "1");
    expect(near.stderr.includes("neighbourhood")).toBe(shape === "wide");
  }
}, 60_000);

test("a dependency that is not there is refused, named once, and nothing is stored", async () => {
  using here = place();
  here.write("f", "bytes");
  const result = await here.coffer(["log", "f", "--name", "f", "--depends-on", "lacking@v3"]);
  expect([result.code, result.stdout, result.stderr.match(/lacking/g)?.length]).toEqual([4, "", 1]);
  expect([(await here.runs()).length, here.binaries(), existsSync(here.at("artifacts/tmp")) ? here.leftovers() : []]).toEqual([0, [], []]);
});
