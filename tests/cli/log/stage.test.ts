import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "bun:test";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import { binary, coffer, spawnCoffer } from "../../support/coffer.ts";
import type { CofferResult } from "../../support/coffer.ts";
import { mlflow, needsMlflow, readArtifact, readBack } from "../../support/mlflow.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import type { TemporaryRoot } from "../../support/temporary-root.ts";
import { watchMemory } from "../../support/watch-memory.ts";
import { done, words } from "../words.ts";
import type { JsonError } from "../words.ts";

const live = needsMlflow(test);

interface LogDocument {
  run: string;
  stage: string | null;
  artifacts: { path: string; type: string; kind: string; size: number; name: string | null }[];
  skipped: { path: string; why: string }[];
  held_back: { path: string; why: string }[];
  notes: string[];
}

/** A directory with what stages upload, and a configuration. */
function place(tracking = ""): TemporaryRoot {
  const root = temporaryRoot();
  mkdirSync(root.at("ckpt/.cache"), { recursive: true });
  mkdirSync(root.at("ckpt/__pycache__"));
  for (const name of ["model.pt", "model.logits.bin", "x.tmp", ".cache/a.pt", "__pycache__/a.pt", "a.pyc", "train.log"])
    writeFileSync(root.at("ckpt", name), name);
  symlinkSync("model.pt", root.at("ckpt/last.pt"));
  writeFileSync(root.at("metrics.json"), '{"loss": [0.5, 0.25], "test": {"acc": NaN}}');
  for (const name of ["model.onnx", "conversion.log", "report.json", "notes.txt"]) writeFileSync(root.at(name), name);
  writeFileSync(root.at("coffer.yaml"), tracking);
  return root;
}

const SKIPPED = [".cache", "__pycache__", "a.pyc", "train.log", "x.tmp"];

async function log(root: TemporaryRoot, args: readonly string[], env: Record<string, string> = {}): Promise<LogDocument> {
  return (await done(["log", "--json", ...args], { root: root.at("s"), cwd: root.path, env })).json<LogDocument>();
}

const runs = async (root: TemporaryRoot) =>
  (await done(["runs", "--json"], { root: root.at("s"), cwd: root.path })).json<{ runs: { id: string }[] }>().runs;

interface Shown {
  state: string;
  metrics: Record<string, number | string>;
  events: { kind: string; message: string }[];
}
const show = async (root: TemporaryRoot, ref: string) =>
  (await done(["show", ref, "--json"], { root: root.at("s"), cwd: root.path })).json<Shown>();

test("a training's checkpoint is a directory without what the filter names, its metrics file metrics of the run, and all of that is said", async () => {
  using root = place();
  const args = ["--stage", "training", "--checkpoint", "ckpt", "--metrics-file", "metrics.json"];
  const said = await done(["log", ...args], { root: root.at("s"), cwd: root.path });
  expect(words(said.stdout)).toBe("RUN/metrics.json\nRUN/ckpt\n");
  for (const name of SKIPPED) expect(said.stderr).toContain(`left out ckpt/${name}: `);
  expect(said.stderr).not.toContain("logits");
  const document = await log(root, args);
  expect(document).toMatchObject({ stage: "training", held_back: [], notes: [] });
  expect(document.artifacts.map(({ path, type, kind }) => [path, type, kind])).toEqual([
    ["metrics.json", "metrics", "file"],
    ["ckpt", "checkpoint", "tree"],
  ]);
  expect(document.skipped.map(({ path }) => path)).toEqual(SKIPPED.map((name) => `ckpt/${name}`));
  const shown = await show(root, document.run);
  expect([shown.state, shown.metrics]).toEqual(["finished", { loss: 0.25, "test.acc": "NaN" }]);
  expect(shown.events.map(({ kind, message }) => [kind, message])).toEqual(
    document.skipped.map(({ path, why }) => ["skipped", `${path}: ${why}`]),
  );
  await done(["get", `${document.run}/ckpt`, "-o", "back"], { root: root.at("s"), cwd: root.path });
  expect(readdirSync(root.at("back")).toSorted()).toEqual(["last.pt", "model.logits.bin", "model.pt"]);
});

test("ordinary outputs and plain log know nothing of the filter", async () => {
  using root = place();
  const document = await log(root, ["ckpt", "conversion.log"]);
  expect([document.skipped, document.stage]).toEqual([[], null]);
  await done(["get", `${document.run}/ckpt`, "-o", "back"], { root: root.at("s"), cwd: root.path });
  expect(readdirSync(root.at("back"))).toContain("train.log");
});

test("the filter is what the configuration says, and an empty section means its defaults", async () => {
  using root = place('tracking: {skip: {patterns: ["*.pt"], max_size: 6, keep: ["last.pt", "train.*"]}}');
  const { skipped } = await log(root, ["--stage", "benchmark", "ckpt", "notes.txt"]);
  expect(skipped.map(({ path }) => path).filter((path) => !path.includes("pycache"))).toEqual([
    "notes.txt",
    "ckpt/.cache/a.pt",
    "ckpt/model.logits.bin",
    "ckpt/model.pt",
  ]);
  for (const empty of ["tracking:", "tracking: {skip: , training: }", "tracking: {skip: {patterns: , max_size: 100MiB, keep: }}"]) {
    writeFileSync(root.at("coffer.yaml"), empty);
    const document = await log(root, ["--stage", "training", "--checkpoint", "ckpt", "--metrics-file", "metrics.json"]);
    expect(document.skipped).toHaveLength(SKIPPED.length);
    expect(document.held_back).toEqual([]);
  }
});

test("a stage that is left with nothing is no error", async () => {
  using root = place();
  writeFileSync(root.at("x.tmp"), "");
  const document = await log(root, ["--stage", "benchmark", "x.tmp"]);
  expect([document.artifacts, document.skipped.map(({ path }) => path)]).toEqual([[], ["x.tmp"]]);
  expect((await show(root, document.run)).events).toHaveLength(1);
});

const TRAINING = ["--stage", "training", "--checkpoint", "ckpt", "--metrics-file", "metrics.json"];
const CONVERSION = ["--stage", "conversion", "model.onnx", "conversion.log"];
const BENCHMARK = ["--stage", "benchmark", "report.json", "ckpt"];
const HPO = ["--stage", "hpo", "--trial", "3", "--checkpoint", "ckpt", "notes.txt"];
const ARCHIVE = ["trial_3/checkpoint.tar.gz", "trial_3/checkpoint.manifest.json"] as const;

/** switch off; arguments; held back; delivered. */
const SWITCHES: readonly (readonly [string, readonly string[], readonly string[], readonly string[]])[] = [
  ["training: {enabled: false}", TRAINING, ["metrics.json", "ckpt"], []],
  ["training: {log_checkpoint: false}", TRAINING, ["ckpt"], ["metrics.json"]],
  ["training: {log_metrics_json: false}", TRAINING, ["metrics.json"], ["ckpt"]],
  ["conversion: {enabled: false}", CONVERSION, ["model.onnx", "conversion.log"], []],
  ["conversion: {log_onnx_model: false}", CONVERSION, ["model.onnx"], ["conversion.log"]],
  ["conversion: {log_conversion_log: false}", CONVERSION, ["conversion.log"], ["model.onnx"]],
  ["benchmark: {enabled: false}", BENCHMARK, ["report.json", "ckpt"], []],
  ["benchmark: {log_artifacts: false}", BENCHMARK, ["report.json", "ckpt"], []],
  ["hpo: {enabled: false}", HPO, ["trial_3/notes.txt", ...ARCHIVE], []],
  ["hpo: {log_checkpoint: false}", HPO, ARCHIVE, ["trial_3/notes.txt"]],
  ["hpo: {log_checkpoint: false}, training: ", TRAINING, [], ["metrics.json", "ckpt"]],
];

live.each(SWITCHES)("tracking: {%s} stops exactly what it names, and no request is about that", async (off, args, heldBack, sent) => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
  const experiment = `stages ${Bun.randomUUIDv7()}`;
  using root = place(`tracking: {${off}, mlflow: {uri: "${proxy.uri}", experiment: ${experiment}}}`);
  const document = await log(root, args);
  expect(document.held_back.map(({ path }) => path)).toEqual([...heldBack]);
  expect(proxy.requests).toEqual([]);
  const synced = await done(["sync-mlflow"], { root: root.at("s"), cwd: root.path });
  const seen = await readBack(mlflow.proxied, document.run);
  if (sent.length === 0) {
    expect([proxy.requests, seen]).toEqual([[], []]);
    expect(synced.stderr).toContain("nothing is waiting");
  } else {
    const tops = new Set(
      Object.keys(seen[0]?.artifacts ?? {}).map((path) => path.split("/").slice(0, sent[0]?.split("/").length).join("/")),
    );
    expect([...tops].toSorted()).toEqual([...sent].toSorted());
    expect(Object.keys(seen[0]?.metrics ?? {})).toEqual(sent.includes("metrics.json") ? ["loss", "test.acc"] : []);
    for (const path of heldBack) expect(proxy.requests.filter((request) => request.includes(`/artifacts/${path}`))).toEqual([]);
  }
  // what stays is in the store
  for (const path of heldBack) {
    await done(["get", `${document.run}/${path}`], { root: root.at("s"), cwd: root.path });
    expect((await show(root, document.run)).events.map(({ kind, message }) => [kind, message.split(" ")[0]])).toContainEqual([
      "held-back",
      path,
    ]);
  }
  expect((await coffer(["verify"], { root: root.at("s") })).code).toBe(0);
});

live.each(["true", "TRUE", "True", "1"])(
  "with MLFLOW_SKIP_ARTIFACT_LOGGING=%s there is a message, no request, and the file is in the store",
  async (value) => {
    await using proxy = await faultyProxy(mlflow.proxied.uri, () => undefined);
    using root = place();
    const env = { MLFLOW_TRACKING_URI: proxy.uri, MLFLOW_SKIP_ARTIFACT_LOGGING: value };
    const said = await done(["log", "report.json"], { root: root.at("s"), cwd: root.path, env });
    expect(said.stderr).toContain("report.json stays in the store: MLFLOW_SKIP_ARTIFACT_LOGGING is set");
    const document = await log(root, TRAINING, env);
    expect(document.held_back).toHaveLength(2);
    const { MLFLOW_TRACKING_URI } = env;
    for (const later of [env, { MLFLOW_TRACKING_URI }])
      expect((await done(["sync-mlflow"], { root: root.at("s"), cwd: root.path, env: later })).stderr).toContain("nothing is waiting");
    expect(proxy.requests).toEqual([]);
    expect((await show(root, document.run)).metrics).toMatchObject({ loss: 0.25 });
    const ref = said.stdout.trim();
    expect(readFileSync((await done(["get", ref], { root: root.at("s") })).stdout.trim(), "utf8")).toBe("report.json");
  },
);

live.each(["proxied", "shared"] as const)(
  "what each stage uploads to a %s server lands at exactly its path, read by MLflow's own client",
  async (kind) => {
    const server = mlflow[kind];
    using root = place(`tracking: {mlflow: {uri: "${server.uri}", experiment: stages}}`);
    const { run } = await log(root, TRAINING);
    for (const args of [
      CONVERSION,
      ["--stage", "benchmark", "report.json"],
      HPO,
      ["--stage", "training", "--checkpoint", "ckpt", "--as", "epochs/3"],
    ])
      await log(root, [...args, "--run", run]);
    await done(["sync-mlflow"], { root: root.at("s"), cwd: root.path });
    const [seen] = await readBack(server, run);
    expect(Object.keys(seen?.artifacts ?? {}).toSorted()).toEqual(
      [
        ...["ckpt", "epochs/3"].flatMap((path) => [`${path}/model.logits.bin`, `${path}/model.pt`]),
        ...["conversion.log", "metrics.json", "model.onnx", "report.json", "trial_3/notes.txt", ...ARCHIVE],
      ].toSorted(),
    );
    expect(seen?.metrics["loss"]?.map(([value, step]) => [step, value])).toEqual([
      [0, 0.5],
      [1, 0.25],
    ]);
    const manifest = JSON.parse(Buffer.from(await readArtifact(server, seen?.run_id as string, ARCHIVE[1])).toString()) as {
      files: { path: string; size: number }[];
      total_size: number;
      file_count: number;
      trial_number: number;
    };
    writeFileSync(root.at("a.tar.gz"), await readArtifact(server, seen?.run_id as string, ARCHIVE[0]));
    const names = Bun.spawnSync(["tar", "tzf", root.at("a.tar.gz")])
      .stdout.toString()
      .trim()
      .split("\n");
    expect(names).toEqual(manifest.files.map(({ path }) => `ckpt/${path}`));
    expect([manifest.trial_number, manifest.file_count, manifest.total_size]).toEqual([
      3,
      new Set(names).size,
      manifest.files.reduce((sum, { size }) => sum + size, 0),
    ]);
  },
);

live("--run, then the current run, then MLFLOW_RUN_ID, then a run of its own; an empty variable is none", async () => {
  const experiment = `targets ${Bun.randomUUIDv7()}`;
  using root = place(`tracking: {mlflow: {uri: "${mlflow.proxied.uri}", experiment: ${experiment}}}`);
  const stage = ["--stage", "benchmark", "report.json"];
  const { run } = await log(root, ["--param", "first=1"]);
  const remote = "0123456789abcdef0123456789abcdef";
  const env = { MLFLOW_RUN_ID: remote };
  const inside = await done(
    [
      "run",
      "--json",
      "--",
      "sh",
      "-c",
      `coffer log --quiet --stage benchmark report.json && coffer log --quiet --run ${run} --stage benchmark report.json`,
    ],
    { root: root.at("s"), cwd: root.path, env: { ...env, PATH: `${dirname(binary())}:${process.env["PATH"] ?? ""}` } },
  );
  const wrapped = inside.json<{ id: string }>().id;
  const paths = async (ref: string) =>
    (await done(["show", ref, "--json"], { root: root.at("s"), cwd: root.path }))
      .json<{ artifacts: { path: string }[] }>()
      .artifacts.map((one) => one.path);
  expect([await paths(run), (await paths(wrapped)).filter((path) => path.includes("report"))]).toEqual([["report.json"], ["report.json"]]);
  const given = await log(root, stage, env);
  expect(await log(root, ["--stage", "benchmark", "notes.txt"], env)).toMatchObject({ run: given.run });
  const own = await log(root, stage, { MLFLOW_RUN_ID: "", COFFER_RUN_ID: "" });
  expect(new Set([run, wrapped, given.run, own.run]).size).toBe(4);
  expect((await show(root, own.run)).state).toBe("finished");
});

live("inside a run the stage decides what of the workspace is sent; as outputs its files are stored whole", async () => {
  const experiment = `stages ${Bun.randomUUIDv7()}`;
  using root = place(
    `tracking: {training: {log_metrics_json: false}, mlflow: {uri: "${mlflow.proxied.uri}", experiment: ${experiment}, sync: required}}`,
  );
  const script = [
    'cp -r ckpt metrics.json report.json "$COFFER_WORKSPACE"',
    'mkdir "$COFFER_WORKSPACE/t"; cp -r ckpt "$COFFER_WORKSPACE/trial"',
    'coffer log --quiet --stage training --checkpoint "$COFFER_WORKSPACE/ckpt" --metrics-file "$COFFER_WORKSPACE/metrics.json"',
    'coffer log --quiet --stage hpo --trial 3 --checkpoint "$COFFER_WORKSPACE/trial"',
  ].join(" && ");
  const result = await done(["run", "--json", "--", "sh", "-c", script], {
    root: root.at("s"),
    cwd: root.path,
    env: { PATH: `${dirname(binary())}:${process.env["PATH"] ?? ""}` },
  });
  const { id } = result.json<{ id: string }>();
  const [seen] = await readBack(mlflow.proxied, id);
  expect(
    Object.keys(seen?.artifacts ?? {})
      .filter((path) => !/^(output|stdout|stderr)\.log$/.test(path))
      .toSorted(),
  ).toEqual(["ckpt/model.logits.bin", "ckpt/model.pt", "report.json", ...ARCHIVE.toReversed()]);
  await done(["get", `${id}/trial`, "-o", "whole"], { root: root.at("s"), cwd: root.path });
  expect(readdirSync(root.at("whole"))).toContain("train.log");
});

test("what was held back is delivered when it is logged again with nothing against it", async () => {
  using root = place('tracking: {mlflow: {uri: "http://127.0.0.1:9"}}');
  const { run } = await log(root, ["report.json"], { MLFLOW_SKIP_ARTIFACT_LOGGING: "1" });
  const waiting = async (): Promise<string> => (await done(["sync-mlflow", "--dry-run"], { root: root.at("s"), cwd: root.path })).stdout;
  expect(await waiting()).not.toContain(run);
  await log(root, ["report.json", "--run", run]);
  expect(await waiting()).toContain(run);
});

test("a run with nothing but files that were held back is not sent either where the server is named later", async () => {
  using root = place("tracking: {benchmark: {enabled: false}}");
  const { run: held } = await log(root, ["--stage", "benchmark", "report.json"]);
  const { run: said } = await log(root, ["--stage", "benchmark", "report.json", "--param", "a=1"]);
  const plan = await done(["sync-mlflow", "--dry-run"], {
    root: root.at("s"),
    cwd: root.path,
    env: { MLFLOW_TRACKING_URI: "http://127.0.0.1:9" },
  });
  expect([plan.stdout.includes(held), plan.stdout.includes(said)]).toEqual([false, true]);
});

test("artifacts of --stdin obey the stage", async () => {
  using root = place("tracking: {benchmark: {log_artifacts: false}}");
  writeFileSync(root.at("x.tmp"), "");
  const said = await done(["log", "--stdin", "--stage", "benchmark", "--json"], {
    root: root.at("s"),
    cwd: root.path,
    stdin: '{"artifact": "report.json"}\n{"artifact": "x.tmp"}\n',
  });
  expect(said.stderr).toContain("report.json stays in the store: tracking.benchmark.log_artifacts is false");
  expect(said.stderr).toContain("left out x.tmp: ");
  const { run } = said.json<LogDocument>();
  expect((await show(root, run)).events.map(({ kind }) => kind)).toEqual(["held-back", "skipped"]);
});

test("the archive of a checkpoint is the same at each call, so that logging it again to its run is no contradiction", async () => {
  using root = place();
  const first = await log(
    root,
    [...HPO, "--name", "best"].filter((word) => word !== "notes.txt"),
  );
  expect(first.artifacts.map(({ path, type, name }) => [path, type, name])).toEqual([
    [ARCHIVE[0], "checkpoint", "best"],
    [ARCHIVE[1], "file", null],
  ]);
  const again = await log(root, HPO);
  const third = await log(root, [...HPO, "--run", again.run]);
  expect(third.artifacts).toEqual(again.artifacts);
  const as = await log(root, ["--stage", "training", "--checkpoint", "ckpt", "--archive", "--as", "best/three.tgz"]);
  expect(as.artifacts.map(({ path }) => path)).toEqual(["best/three.tgz", "best/three.manifest.json"]);
  const plain = await log(root, ["--stage", "hpo", "--trial", "3", "--checkpoint", "ckpt", "--no-archive"]);
  expect(plain.artifacts.map(({ path, kind }) => [path, kind])).toEqual([["trial_3/ckpt", "tree"]]);
  expect(readdirSync(root.at("s/tmp"))).toEqual([]);
  expect(readdirSync(root.at("ckpt")).toSorted()).toEqual([...SKIPPED, "last.pt", "model.logits.bin", "model.pt"].toSorted());
});

test("an archive of 600 MiB takes no more memory than a small one would", async () => {
  using root = place();
  mkdirSync(root.at("large"));
  for (const name of ["a.pt", "b.pt"]) expect(Bun.spawnSync(["truncate", "-s", "300M", root.at("large", name)]).exitCode).toBe(0);
  const child = spawnCoffer(["log", "--json", "--stage", "hpo", "--checkpoint", "large"], { root: root.at("s"), cwd: root.path });
  const [text, most] = await Promise.all([child.stdout.text(), watchMemory(child)]);
  expect((JSON.parse(text) as LogDocument).artifacts[0]?.path).toBe("checkpoint.tar.gz");
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThan(150 * 1024 * 1024);
});

test("a log that is killed while it packs leaves nothing behind once another command has looked", async () => {
  using root = place();
  mkdirSync(root.at("large"));
  expect(Bun.spawnSync(["truncate", "-s", "4G", root.at("large/a.pt")]).exitCode).toBe(0);
  await done(["log", "report.json"], { root: root.at("s"), cwd: root.path });
  const child = spawnCoffer(["log", "--stage", "hpo", "--checkpoint", "large"], { root: root.at("s"), cwd: root.path });
  const staged = (): string[] => readdirSync(root.at("s/tmp"), { recursive: true }).map(String);
  // the lease's directory, and the archive in it
  while (staged().length < 2 && child.exitCode === null) await Bun.sleep(5);
  child.kill("SIGKILL");
  await child.exited;
  expect(staged().length).toBeGreaterThan(0);
  expect(await runs(root)).toHaveLength(1);
  expect(staged()).toEqual([]);
  expect((await coffer(["verify"], { root: root.at("s") })).code).toBe(0);
});

test("the configuration is read once, and only when it is needed", async () => {
  using root = place();
  expect(Bun.spawnSync(["mkfifo", root.at("pipe.yaml")]).exitCode).toBe(0);
  // nobody writes to the pipe: whoever opened it would wait for ever
  for (const [args, code] of [
    [["log", "--stage", "training", "--trial", "1", "--config", "pipe.yaml"], 2],
    [["log", "--config", "pipe.yaml"], 2],
    [["log", "--help", "--config", "pipe.yaml"], 0],
  ] as const)
    expect((await coffer(args, { root: root.at("s"), cwd: root.path })).code).toBe(code);
  // what is written to it can be read once
  const child = spawnCoffer(["log", "--json", ...TRAINING, "--config", "pipe.yaml"], { root: root.at("s"), cwd: root.path });
  writeFileSync(root.at("pipe.yaml"), "tracking: {training: {log_checkpoint: false}}");
  expect((JSON.parse(await child.stdout.text()) as LogDocument).held_back.map(({ path }) => path)).toEqual(["ckpt"]);
  expect(await child.exited).toBe(0);
  expect(await runs(root)).toHaveLength(1);
});

const BAD: readonly (readonly [string[], string, RegExp])[] = [
  [["--checkpoint", "ckpt"], "USAGE", /go with --stage/],
  [["report.json", "--trial", "1"], "USAGE", /go with --stage/],
  [["report.json", "--archive"], "USAGE", /go with --stage/],
  [["--stage", "conversion", "--checkpoint", "ckpt"], "USAGE", /training or hpo/],
  [["--stage", "hpo", "--metrics-file", "metrics.json"], "USAGE", /goes with --stage training/],
  [["--stage", "training", "report.json", "--trial", "1"], "USAGE", /only hpo has trials/],
  [["--stage", "hpo", "--checkpoint", "ckpt", "--trial", "-1"], "VALUE_INVALID", /whole number/],
  [["--stage", "hpo", "--checkpoint", "ckpt", "--trial", "1.5"], "VALUE_INVALID", /whole number/],
  [["--stage", "training", "report.json", "--archive"], "USAGE", /--checkpoint/],
  [["--stage", "hpo", "--checkpoint", "ckpt", "--archive", "--no-archive"], "USAGE", /contradict/],
  [["--stage", "training"], "USAGE", /nothing to log/],
  [["--stage", "hpo", "--checkpoint", "missing"], "UNREADABLE", /missing.*nothing was stored/],
  [["--stage", "training", "--checkpoint", "missing"], "UNREADABLE", /missing.*nothing was stored/],
  [["--stage", "training", "--metrics-file", "missing"], "UNREADABLE", /missing.*nothing was stored/],
  [["--stage", "hpo", "--checkpoint", "ckpt/last.pt"], "UNREADABLE", /a link is not followed/],
  [["--stage", "hpo", "--checkpoint", "out"], "UNREADABLE", /out\/link: it is a link out of the directory/],
  [["--stage", "training", "--checkpoint", "out"], "UNREADABLE", /out\/link: it is a link out of the directory/],
];

test.each(BAD)("log %j is refused with %s, says what to do, and stores nothing", async (args, code, said) => {
  using root = place();
  mkdirSync(root.at("out"));
  symlinkSync("/etc/hostname", root.at("out/link"));
  const result: CofferResult = await coffer(["log", "--json", ...args], { root: root.at("s"), cwd: root.path });
  const error = JSON.parse(result.stderr) as JsonError;
  expect([error.code, `${error.message} ${error.hint ?? ""}`]).toEqual([code, expect.stringMatching(said)]);
  expect(await runs(root).catch(() => [])).toEqual([]);
});
