import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { foreignTree } from "../manifest/foreign-tree.ts";
import { coffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { project, readPage } from "./page.ts";
import { Shapes } from "./shape.ts";

const page = readPage("docs/json.md");

test("every document that the source prints has a section, and every section a document", () => {
  const printed = new Set<string>();
  for (const file of new Bun.Glob("src/**/*.ts").scanSync({ cwd: project }))
    for (const [, schema = ""] of readFileSync(`${project}/${file}`, "utf8").matchAll(/"(coffer\.[a-z-]+\/[0-9]+)"/g)) printed.add(schema);
  expect(new Shapes(page).schemas().toSorted()).toEqual([...printed].toSorted());
});

test("what is not documented, is missing, or is of another kind is found", () => {
  const shapes = new Shapes(page);
  expect(shapes.check({ schema: "coffer.get/1", id: "a", path: "b", digest: "c", size: 1 } as { schema: string })).toEqual([]);
  expect(shapes.check({ schema: "coffer.get/1", id: 5, path: "b", digest: "c", extra: 1 } as { schema: string })).toEqual([
    "coffer.get/1.id should hold string, and is 5",
    "coffer.get/1.extra is not documented",
    "coffer.get/1.size is missing",
  ]);
  expect(shapes.check({ schema: "coffer.ls/1", artifacts: [{}] } as { schema: string })).toContain(
    "coffer.ls/1.artifacts[].digest is missing",
  );
});

test("what the commands print is what the page says, key by key", async () => {
  using root = temporaryRoot();
  const shapes = new Shapes(page);
  const problems: string[] = [];
  const env = { HOME: root.path };
  const see = async (args: string[], more: { env?: Record<string, string>; stdin?: string } = {}): Promise<Record<string, unknown>> => {
    const [command = "", ...words] = args;
    const two = (["config", "sync", "cache", "manifest", "artifacts"].includes(command) && words[0]) || words[0] === "why" ? 1 : 0;
    const result = await coffer([command, ...words.slice(0, two), "--json", ...words.slice(two)], {
      root: root.at("s"),
      cwd: root.path,
      ...more,
      env: { ...env, ...more.env },
    });
    const document = JSON.parse(result.stdout || (result.stderr.trim().split("\n").at(-1) as string)) as { schema: string };
    problems.push(...shapes.check(document).map((problem) => `coffer ${args.join(" ")}: ${problem}`));
    return document as unknown as Record<string, unknown>;
  };
  const server = { MLFLOW_TRACKING_URI: "http://127.0.0.1:9" };
  mkdirSync(root.at("d/empty"), { recursive: true });
  symlinkSync("f", root.at("d/link"));
  for (const name of ["d/f", "raw.csv"]) writeFileSync(root.at(name), name);
  const script =
    'cd "$COFFER_WORKSPACE"; echo m >model; echo \'{"lr": 0.1}\' >params.json; echo \'{"rmse": NaN}\' >metrics.json; coffer get raw >/dev/null';

  await see(["init"]);
  await see(["log", "raw.csv", "--name", "raw"]);
  const path = `${process.env["PATH"] ?? ""}:${project}/dist`;
  const run = (
    await see(["run", "--register", "model=model", "--tag", "a=b", "--input", "raw.csv", "--", "sh", "-c", script], { env: { PATH: path } })
  )["id"] as string;
  const logged = (
    await see(
      [
        "log",
        "d",
        "--type",
        "model",
        "--class",
        "Ridge",
        "--step",
        "p:0:1.2:3",
        "--depends-on",
        "raw",
        "--depends-on",
        `${run}/model`,
        "--artifact-tag",
        "t=1",
        "--param",
        "p=1",
        "--metric",
        "m=1",
        "--tag",
        "x=y",
      ],
      { env: server },
    )
  )["run"] as string;
  writeFileSync(root.at("metrics.json"), '{"a": null}');
  writeFileSync(root.at("x.tmp"), "");
  const skip = { MLFLOW_SKIP_ARTIFACT_LOGGING: "1" };
  await see(["log", "x.tmp", "--stage", "training", "--metrics-file", "metrics.json"], { env: skip });
  await see(["log", "--stdin"], { stdin: '{"param":"a","value":1}\nnonsense\n' });
  await see(["log", "--stdin"], { stdin: "nonsense\n" });
  for (const [name, value] of [
    ["raw", "1"],
    ["raw", "2"],
  ] as const) {
    writeFileSync(root.at("raw.csv"), value);
    await see(["log", "raw.csv", "--name", name]);
  }
  await see(["runs"]);
  await see(["ls"]);
  await see(["ls", "--sort", "metrics.m"]);
  await see(["diff", run, logged, "--all"]);
  for (const ref of [run, logged, "raw", "p:0:1.2:3", `${run}/code.tar`])
    await coffer(["show", ref], { root: root.at("s") }).then(({ code }) => (code === 0 ? see(["show", ref]) : undefined));
  await see(["show", "p:0:1.2:3", "--files"]);
  await see(["get", "raw"]);
  await see(["get", "p:0:1.2:3", "-o", "out"]);
  await see(["log", "raw.csv", "--step", "p:0:1.4:5", "--type", "meta_model", "--source", "p:0:1.2:3"]);
  await see(["show", "p:0:1.4:5"]);
  await see(["load", "--pipeline", "p", "--step", "1", "--folds"]);
  await see(["load", "--meta", "p:0:1.4:5"]);
  await see(["get", "p:0:1.4:5", "--with-deps"]);
  await see(["lineage", "raw@v1", "--down"]);
  await see(["pin", "p:0:1.2:3"]);
  await see(["alias", "p:0:1.2:3", "good"]);
  await see(["lineage", "raw@v1", "--down", "--depth", "1"]);
  await see(["lineage", "p:0:1.2:3"]);
  await see(["alias", "p:0:1.2:3@good", "--remove"]);
  await see(["unpin", "p:0:1.2:3"]);
  await see(["alias", "raw", "best"]);
  await see(["show", "raw@best"]);
  await see(["alias", "raw@best", "--remove"]);
  await see(["pin", "raw@v1"]);
  await see(["gc", "--max-versions", "1"]);
  await see(["unpin", "raw@v1"]);
  await see(["tag", "raw", "a=b"]);
  await see(["tag", "raw", "--remove", "a"]);
  await see(["rm", "raw@v2"]);
  await see(["restore", "raw@v2"]);
  await see(["stats"]);
  await see(["cache", "stats", "raw", "p:0:1.2:3"]);
  await see(["cache", "preload", "raw", "p:0:1.2:3"]);
  await see(["cache", "set-size", "--max-entries", "0"]);
  await see(["cache", "clear"]);
  await see(["verify"]);
  await see(["backup", root.at("backup"), "--with-bytes"]);
  writeFileSync(root.at("s/binaries/default/stray"), "stray");
  utimesSync(root.at("s/binaries/default/stray"), 1, 1);
  await see(["artifacts", "stats", "--dataset", "default"]);
  await see(["artifacts", "list-orphaned"]);
  await see(["artifacts", "cleanup", "--force"]);
  writeFileSync(root.at("s/binaries/default/stray"), "stray");
  utimesSync(root.at("s/binaries/default/stray"), 1, 1);
  await see(["artifacts", "list-orphaned", "--grace", "0"]);
  await see(["gc", "why", "raw@v1", "--max-versions", "1"]);
  const { digest } = await see(["show", "raw@v2"]);
  await see(["gc", "why", digest as string]);
  writeFileSync(root.at("s/binaries/default/young"), "");
  await see(["artifacts", "list-orphaned"]);
  await see(["artifacts", "purge", "--dataset", "default"]);
  await see(["gc", "--max-versions", "1", "--workspaces", "--orphans", "--max-size", "1", "--grace", "0"]);
  await see(["gc", "--max-versions", "1", "--workspaces", "--orphans", "--grace", "0", "--apply"]);
  await see(["gc", "why", "raw@v2"]);
  const half = (await see(["run", "--", "sh", "-c", 'cd "$COFFER_WORKSPACE"; echo 1 >one; echo 2 >two']))["id"] as string;
  for (const words of [
    ["rm", `${half}/one`],
    ["gc", "--grace", "0", "--apply"],
    ["rm", half],
    ["restore", half],
  ])
    await see(words);
  await see(["sync-mlflow", "--dry-run"], { env: server });
  await see(["runs", "--sort", "started"]);
  await see(["sync-mlflow", "--forget", server.MLFLOW_TRACKING_URI, "--dry-run"]);
  await see(["stats", "--uploads"]);
  await see(["config", "show"]);
  await see(["config", "schema"]);
  await see(["config", "validate"]);
  writeFileSync(root.at("bad.yaml"), "cach:\n");
  await see(["config", "validate", "bad.yaml"]);
  await see(["doctor"]);
  await see(["completions", "bash"]);
  using tree = foreignTree();
  const records = [{ artifact_id: "model", version: 1, artifact_type: "sheet" }, { artifact_id: "gone" }];
  const manifest = tree.write(records, { bytes: { "gone.joblib": null } });
  await see(["manifest", "import", manifest]);
  await see(["manifest", "export", logged]);
  await see(["manifest", "export", logged, "-o", "out.yaml"]);
  const { path: stored } = await see(["get", "raw"]);
  chmodSync(stored as string, 0o644);
  writeFileSync(stored as string, "damaged");
  await see(["verify"]);
  await see(["backup", root.at("without what is damaged"), "--with-bytes"]);
  await see(["show", "raw"]);
  await see(["show", "nothing"]);
  writeFileSync(root.at("s/binaries/default/stray"), "");
  await see(["verify"]);
  await see(["verify", "--repair", "--from", "."]);
  chmodSync(stored as string, 0o644);
  await see(["verify"]);
  // nobody else has its bytes
  rmSync(root.at("s/manifests", `${half}.yaml`));
  writeFileSync(root.at("s/manifests/broken.yaml"), "{");
  rmSync(stored as string);
  mkdirSync(root.at("s/work/runs", Bun.randomUUIDv7()), { recursive: true });
  await see(["rebuild"]);
  await see(["rebuild", "--force"]);

  expect(problems).toEqual([]);
  // what takes a server, a failure of the disk, or a sweep that another process disturbs, is shown by the tests of these commands
  const elsewhere = /^(runs|kept|missing|repack|applied|stopped|synced|checked|left|files|bytes|target|rehouse)(\[\]|$)/;
  for (const title of shapes.schemas().filter((schema) => !/^coffer\.sync(-event)?\//.test(schema))) {
    const unseen = shapes
      .unseen(title)
      .filter((key) => !["coffer.gc/1", "coffer.orphans/1", "coffer.purge/1"].includes(title) || !elsewhere.test(key));
    expect([title, unseen]).toEqual([title, []]);
  }
  for (const title of [
    "artifact in a list",
    "artifact",
    "record",
    "sorting",
    "value in two runs",
    "metric in two runs",
    "bytes in two runs",
    "side",
    "files",
    "source",
    "got",
    "meta_config",
    "entry",
    "run in a list",
    "kept item",
    "bytes",
    "verdict",
    "deletion",
    "orphans",
    "place",
    "sum",
    "artifact in a graph",
    "edge",
    "impact",
    "uploads",
    "server's uploads",
  ])
    expect([title, shapes.unseen(title).filter((key) => !["params.*", "metrics.*"].includes(key))]).toEqual([title, []]);
}, 60_000);
