import { afterAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { coffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { done, words } from "./words.ts";

interface Diff {
  about: Value[];
  code: Value[];
  params: Value[];
  metrics: (Value & { difference: number | null })[];
  tags: Value[];
  inputs: Bytes[];
  artifacts: Bytes[];
  same: number;
}
interface Value {
  key: string;
  left: unknown;
  right: unknown;
  same: boolean;
}
interface Bytes {
  key: string;
  change: string;
  left: { ref: string; size: number; digest: string } | null;
  right: { ref: string; size: number; digest: string } | null;
}

/** Two runs of one script that were given other parameters, and read another version of their data. */
let shared: Promise<{ root: TemporaryRoot; store: string }> | undefined;
afterAll(async () => (await shared)?.root[Symbol.dispose]());

function world(): NonNullable<typeof shared> {
  return (shared ??= make());
}

async function make(): NonNullable<typeof shared> {
  const root = temporaryRoot();
  mkdirSync(root.at("work"));
  const options = { root: root.at("s"), cwd: root.at("work") };
  const script = 'echo "$1" >same; echo "$2" >model; echo "{\\"rmse\\": $2, \\"nan\\": NaN}" >metrics.json; [ "$3" = - ] || echo x >"$3"';
  const train = async (name: string, rmse: string, extra: string, ...flags: string[]) =>
    done(
      [
        "run",
        "--quiet",
        "--name",
        name,
        "--input",
        "data",
        ...flags,
        "--",
        "sh",
        "-c",
        `cd "$COFFER_WORKSPACE"; ${script}`,
        "sh",
        "1",
        rmse,
        extra,
      ],
      options,
    );
  writeFileSync(root.at("work/d.csv"), "one");
  await done(["log", "d.csv", "--name", "data"], options);
  await train("left", "0.5", "only-left", "--param", "lr=0.1", "--param", "seed=1", "--tag", "team=red", "--register", "net=model");
  writeFileSync(root.at("work/d.csv"), "three");
  await done(["log", "d.csv", "--name", "data"], options);
  await train("right", "0.25", "only-right", "--param", "lr=0.01", "--param", "seed=1", "--param", "depth=3", "--register", "net=model");
  return { root, store: root.at("s") };
}

const diff = async (...args: string[]) => (await done(["diff", "--json", ...args], { root: (await world()).store })).json<Diff>();

test("diff says what differs between two runs, and nothing else", async () => {
  const found = await diff("left", "right");
  expect(found.params).toEqual([
    { key: "depth", left: null, right: "3", same: false },
    { key: "lr", left: "0.1", right: "0.01", same: false },
  ]);
  expect(found.metrics).toEqual([{ key: "rmse", left: 0.5, right: 0.25, same: false, difference: -0.25 }]);
  expect(found.tags).toEqual([{ key: "team", left: "red", right: null, same: false }]);
  expect(found.artifacts.map(({ key, change, left, right }) => [key, change, left && words(left.ref), right && words(right.ref)])).toEqual([
    ["metrics.json", "changed", "RUN/metrics.json", "RUN/metrics.json"],
    ["model", "changed", "net@v1", "net@v2"],
    ["only-left", "only left", "RUN/only-left", null],
    ["only-right", "only right", null, "RUN/only-right"],
  ]);
  expect(found.inputs.map(({ key, change, left, right }) => [key, change, left?.ref, right?.ref, left?.size])).toEqual([
    ["data", "changed", "data@v1", "data@v2", 3],
  ]);
  expect(found.about.map(({ key }) => key)).toEqual(["command"]);
});

test("--all shows what is the same too", async () => {
  const [some, all] = [await diff("left", "right"), await diff("left", "right", "--all")];
  expect(all.params.map(({ key, same }) => [key, same])).toEqual([
    ["depth", false],
    ["lr", false],
    ["seed", true],
  ]);
  expect(all.metrics.find(({ key }) => key === "nan")).toEqual({ key: "nan", left: "NaN", right: "NaN", same: true, difference: null });
  expect(all.artifacts.find(({ key }) => key === "same")?.change).toBe("same");
  expect([some.same, some.same > 5]).toEqual([all.same, true]);
});

test("diff for a person is a table a section", async () => {
  const { stdout, stderr } = await done(["diff", "left", "right"], { root: (await world()).store });
  const seen = words(stdout.replace(/ {2,}/g, "  "))
    .replace(/ [0-9a-f]{8}(?=  |$)/gm, " DIGEST")
    .replace(/TIME  .*$/gm, "TIME  TOOK")
    .replace(/^command .*$/m, "command …");
  expect(stderr).toBe("");
  expect(seen).toMatchInlineSnapshot(`
    "  RUN  NAME  STATE  STARTED (UTC)  TOOK
    left  RUN  left  finished  TIME  TOOK
    right  RUN  right  finished  TIME  TOOK

    ABOUT  LEFT  RIGHT
    command …

    PARAM  LEFT  RIGHT
    depth  -  3
    lr  0.1  0.01

    METRIC  LEFT  RIGHT  DIFFERENCE
    rmse  0.5  0.25  -0.25

    TAG  LEFT  RIGHT
    team  red  -

    INPUT  LEFT  RIGHT
    data  3 B DIGEST  5 B DIGEST  changed

    ARTIFACT  LEFT  RIGHT
    metrics.json  26 B DIGEST  27 B DIGEST  changed
    model  4 B DIGEST  5 B DIGEST  changed
    only-left  2 B DIGEST  -  only left
    only-right  -  2 B DIGEST  only right
    "
  `);
});

test("a run and itself do not differ", async () => {
  const { stdout } = await done(["diff", "left", "left"], { root: (await world()).store });
  expect(stdout.trim().split("\n").at(-1)).toBe("nothing differs");
});

test("what gc deleted is still compared by its digest", async () => {
  using root = temporaryRoot();
  const options = { root: root.at("s"), cwd: root.path };
  for (const [run, bytes] of ["1", "2", "3"].entries()) {
    writeFileSync(root.at("f"), run === 2 ? "1" : bytes);
    await done(
      ["run", "--quiet", "--name", `r${run}`, "--register", "f=f", "--", "sh", "-c", `cp ${root.at("f")} "$COFFER_WORKSPACE"`],
      options,
    );
  }
  await done(["gc", "--max-versions", "1", "--grace", "0", "--apply", "--json"], options);
  expect((await done(["show", "f@v1"], options)).stdout).toContain("deleted");
  const found = (await done(["diff", "r0", "r1", "--json"], options)).json<Diff>();
  expect(found.artifacts.map(({ key, change }) => [key, change])).toEqual([["f", "changed"]]);
  expect((await done(["diff", "r0", "r2", "--json"], options)).json<Diff>().artifacts).toEqual([]);
});

test("a run that there is not is 4", async () => {
  const result = await coffer(["diff", "left", "nobody"], { root: (await world()).store });
  expect([result.code, result.stdout]).toEqual([4, ""]);
  expect(result.stderr).toContain("there is no run “nobody”");
});
