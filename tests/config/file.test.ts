import { expect, test } from "bun:test";
import fc from "fast-check";
import { chmodSync, chownSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { findProjectFile, findUserFile, readConfigFile } from "../../src/config/file.ts";
import { needsTwoUsers } from "../support/mount.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

async function problemsOf(text: string, name = "coffer.yaml", env: Record<string, string> = {}): Promise<string[]> {
  using root = temporaryRoot();
  writeFileSync(root.at(name), text);
  const { problems } = await readConfigFile(root.at(name), env);
  return problems.map(({ line, column, message, hint }) => `${line}:${column} ${message} | ${hint}`);
}

async function valuesOf(text: string, name = "coffer.yaml", env: Record<string, string> = {}): Promise<Record<string, unknown>> {
  using root = temporaryRoot();
  writeFileSync(root.at(name), text);
  const { values, problems } = await readConfigFile(root.at(name), env);
  expect(problems).toEqual([]);
  return Object.fromEntries(values);
}

test("broken YAML is named by line and column, and the source is not quoted", async () => {
  const [problem] = await problemsOf("tracking:\n  mlflow: {uri: 'http://me:hunter2@h'\ncache: {}\n");
  expect(problem).toStartWith("3:1 broken YAML: ");
  expect(problem).not.toContain("hunter2");
  expect(await problemsOf("cache:\n\tmax_entries: 1\n")).toEqual([expect.stringMatching(/^2:1 broken YAML: .* \| indent with blanks$/)]);
});

test("a key given twice is an error at the second one", async () => {
  expect(await problemsOf("cache:\n  max_entries: 1\n  max_entries: 2\n")).toEqual(["3:3 this key is given twice | keep one of them"]);
});

test("a second document is an error", async () => {
  expect(await problemsOf("cache: {}\n---\ncache: {}\n")).toEqual([expect.stringMatching(/^2:1 a second document begins here/)]);
});

test("an unknown key is named with its place and the key that was meant", async () => {
  expect(await problemsOf("workspace:\n  polcy: scratch\n")).toEqual(["2:3 unknown key workspace.polcy | did you mean policy?"]);
  expect(await problemsOf("artifact_stor: x\n")).toEqual(["1:1 unknown key artifact_stor | did you mean artifact_store?"]);
  expect(await problemsOf("artifact_store:\n  grace: 1h\n")).toEqual([
    "2:3 unknown key artifact_store.grace | did you mean artifact_store.cleanup_policy.grace?",
  ]);
  expect(await problemsOf("cache: {zzzzzzzzz: 1}\n")).toEqual(["1:9 unknown key cache.zzzzzzzzz | here go: max_size, max_entries"]);
});

test.each(["constructor", "__proto__", "toString"])("a key called %s is unknown, not found on a prototype", async (key) => {
  expect(await problemsOf(`${key}: {a: 1}\n`)).toEqual([expect.stringContaining(`1:1 unknown key ${key}`)]);
});

test("every problem is listed, in the order of the file", async () => {
  const problems = await problemsOf("workspace: {policy: scrach}\ncache:\n  max_size: 10XB\n  max_entries: -1\n  more: 1\n");
  expect(problems.map((problem) => problem.split(" ").slice(0, 2).join(" "))).toEqual([
    "1:21 workspace.policy",
    "3:13 cache.max_size",
    "4:16 cache.max_entries",
    "5:3 unknown",
  ]);
});

test.each([
  ["artifact_store: {type: ftp}", "artifact_store.type must be one of local, s3, gcs, azure"],
  ["artifact_store: {metadata_backend: postgresql}", "must be sqlite"],
  ["artifact_store: {root_path: ''}", "must not be empty"],
  ['artifact_store: {root_path: "a\\0b"}', "must not hold a NUL"],
  ["artifact_store: {root_path: [a]}", "must be a text, not a list"],
  ["artifact_store: {max_dependency_depth: 0}", "must be a whole number"],
  ["artifact_store: {versioning_enabled: yes}", "must be true or false"],
  ["artifact_store: {cleanup_policy: {max_age_days: -1}}", "must be a number of days"],
  ["artifact_store: {cleanup_policy: {max_age_days: .inf}}", "must be a number of days"],
  ["artifact_store: {cleanup_policy: {grace: 60}}", "not a duration"],
  ["artifact_store: {cleanup_policy: {grace: '1 fortnight'}}", "not a duration"],
  ["artifact_store: {cleanup_policy: {max_versions_per_artifact: 1.5}}", "must be a whole number"],
  ["artifact_store: {cleanup_policy: {max_size: '99999999TB'}}", "larger than any disk"],
  ["artifact_store: {cleanup_policy: {max_size: true}}", "must be a text or a number"],
  ["workspace: {retain: '*.log'}", "must be a list of patterns"],
  ["workspace: {ignore: [1]}", "must be a list of patterns: 1 is none"],
  ["tracking: {mlflow: {experiment: 2024}}", "must be a text, not 2024"],
  ["tracking: {mlflow: {sync: {a: 1}}}", "not a section"],
  ["cache: 10GB", "cache must be a section of keys, not a single value"],
  ["- a\n- b", "the file must be a section of keys, not a list"],
  ["cache: {max_entries: *c}", "names an anchor that is not there"],
])("%s is refused", async (text, message) => {
  const problems = await problemsOf(text);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain(message);
  expect(problems[0]).toMatch(/ \| .+/);
});

test("an error shows a URL without its user part", async () => {
  const [problem] = await problemsOf("tracking: {mlflow: {sync: 'http://me:hunter2@host/'}}");
  expect(problem).toContain("http://host/");
  expect(problem).not.toContain("hunter2");
});

test("sizes become bytes and durations milliseconds", async () => {
  expect(await valuesOf("artifact_store: {cleanup_policy: {max_size: 1.5GiB, grace: 30m}}\ncache: {max_size: 4096}")).toEqual({
    "artifact_store.cleanup_policy.max_size": 1.5 * 1024 ** 3,
    "artifact_store.cleanup_policy.grace": 1_800_000,
    "cache.max_size": 4096,
  });
});

test("an empty file, an empty section and an empty key set nothing", async () => {
  for (const text of [
    "",
    "# only words\n",
    "cache:\n",
    "artifact_store:\n  cleanup_policy:\nworkspace: {}\n",
    "workspace:\n  policy:\n  retain: null\n",
  ])
    expect(await valuesOf(text)).toEqual({});
});

test("null takes a limit away", async () => {
  expect(await valuesOf("artifact_store:\n  cleanup_policy:\n    max_age_days: null\n    max_size:\n")).toEqual({
    "artifact_store.cleanup_policy.max_age_days": null,
    "artifact_store.cleanup_policy.max_size": null,
  });
});

test("a bare text in place of artifact_store is its root", async () => {
  expect(await valuesOf("artifact_store: ./elsewhere\n")).toEqual({ "artifact_store.root_path": "./elsewhere" });
});

test("anchors, aliases and merge keys are understood, and a fault behind a merge is named at its section", async () => {
  expect(
    await valuesOf("tracking:\n  hpo: &off {enabled: false}\n  benchmark: *off\n  training:\n    <<: *off\n    log_checkpoint: false\n"),
  ).toEqual({
    "tracking.hpo.enabled": false,
    "tracking.benchmark.enabled": false,
    "tracking.training.enabled": false,
    "tracking.training.log_checkpoint": false,
  });
  expect((await problemsOf("tracking:\n  hpo: &x {enabld: false}\n  training:\n    <<: *x\n"))[0]).toContain(
    "2:12 unknown key tracking.hpo.enabld",
  );
  expect((await problemsOf("tracking:\n  hpo: &x {enabld: false}\n  training:\n    <<: *x\n"))[1]).toContain(
    "3:3 unknown key tracking.training.enabld",
  );
});

test("variables are expanded, and read as what the key wants", async () => {
  const text =
    'cache: {max_entries: "${N}", max_size: "${S:2GB}"}\ntracking: {hpo: {enabled: "${ON:FALSE}"}, mlflow: {uri: "${URI:}"}}\nworkspace: {retain: ["${R}.log"]}\n';
  expect(await valuesOf(text, "coffer.yaml", { N: "7", R: "run", S: "" })).toEqual({
    "cache.max_entries": 7,
    "cache.max_size": 2_000_000_000,
    "tracking.hpo.enabled": false,
    "tracking.mlflow.uri": "",
    "workspace.retain": ["run.log"],
  });
  expect(await problemsOf('cache:\n  max_entries: "${N}"\n')).toEqual([
    "2:16 cache.max_entries names the variable N, which is not set | set N, or write a default: ${N:…}",
  ]);
});

test("coffer.yaml is found by walking up; nearer wins, and coffer.yaml goes before pipeline.yaml", async () => {
  using root = temporaryRoot();
  mkdirSync(root.at("a/b/c"), { recursive: true });
  writeFileSync(root.at("coffer.yaml"), "");
  expect(await findProjectFile(root.at("a/b/c"))).toBe(root.at("coffer.yaml"));
  writeFileSync(root.at("a/pipeline.yaml"), "artifact_store: ./x\n");
  expect(await findProjectFile(root.at("a/b/c"))).toBe(root.at("a/pipeline.yaml"));
  writeFileSync(root.at("a/coffer.yaml"), "");
  expect(await findProjectFile(root.at("a/b/c"))).toBe(root.at("a/coffer.yaml"));
  mkdirSync(root.at("a/b/coffer.yaml"));
  expect(await findProjectFile(root.at("a/b/c"))).toBe(root.at("a/coffer.yaml"));
});

test("a pipeline.yaml counts only with an artifact_store section of its own", async () => {
  using root = temporaryRoot();
  for (const text of [
    "steps: [a]\n",
    "steps:\n  artifact_store: x\n",
    "# artifact_store: x\n",
    "{{ not: yaml",
    Buffer.from([0xff, 0xfe]),
    "x".repeat(2_000_000),
  ]) {
    writeFileSync(root.at("pipeline.yaml"), text);
    expect(await findProjectFile(root.path)).not.toBe(root.at("pipeline.yaml"));
  }
  for (const text of ["artifact_store:\n", '"artifact_store": ./x\n', '{steps: [a], "artifact_store": {}}']) {
    writeFileSync(root.at("pipeline.yaml"), text);
    expect(await findProjectFile(root.path)).toBe(root.at("pipeline.yaml"));
  }
});

test("in pipeline.yaml other top-level sections belong to someone else, also with foreign tags; inside ours keys are checked", async () => {
  const text = "steps: [{run: !python a}]\nproject: x\nartifact_store: {versioning_enabled: false}\n";
  expect(await valuesOf(text, "pipeline.yaml")).toEqual({ "artifact_store.versioning_enabled": false });
  expect(await problemsOf("steps: []\nartifact_store: {versoning_enabled: false}\n", "pipeline.yaml")).toEqual([
    expect.stringContaining("2:18 unknown key artifact_store.versoning_enabled"),
  ]);
  expect(await problemsOf("steps: []\n", "pipeline.yaml")).toEqual([expect.stringContaining("has no artifact_store: section")]);
});

test("the user's file is under XDG_CONFIG_HOME, else ~/.config", () => {
  using root = temporaryRoot();
  for (const path of ["xdg/coffer", "home/.config/coffer"]) {
    mkdirSync(root.at(path), { recursive: true });
    writeFileSync(root.at(path, "config.yaml"), "");
  }
  expect(findUserFile({ HOME: root.at("home"), XDG_CONFIG_HOME: root.at("xdg") })).toBe(root.at("xdg/coffer/config.yaml"));
  expect(findUserFile({ HOME: root.at("home"), XDG_CONFIG_HOME: "" })).toBe(root.at("home/.config/coffer/config.yaml"));
  expect(findUserFile({ HOME: root.at("home"), XDG_CONFIG_HOME: "relative" })).toBe(root.at("home/.config/coffer/config.yaml"));
  expect(findUserFile({ HOME: root.at("nobody") })).toBeUndefined();
});

test("a home that is no directory holds no file, and one that may not be entered is an error", () => {
  using root = temporaryRoot();
  expect(findUserFile({ HOME: "/dev/null" })).toBeUndefined();
  expect(findUserFile({ XDG_CONFIG_HOME: "/dev/null" })).toBeUndefined();
  symlinkSync("circle", root.at("circle"));
  expect(() => findUserFile({ HOME: root.at("circle") })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
});

test("a file that is missing, a directory or no text is refused with what to do", async () => {
  using root = temporaryRoot();
  mkdirSync(root.at("dir"));
  writeFileSync(root.at("latin.yaml"), Buffer.from([0x61, 0x3a, 0x20, 0xe9]));
  for (const name of ["none.yaml", "dir", "latin.yaml"])
    await expect(readConfigFile(root.at(name), {})).rejects.toMatchObject({ code: "CONFIG_INVALID", hint: expect.stringMatching(/./) });
});

test.each(["[", "{", "a: ", "- ", "? "])("eighty thousand times “%s” is refused without being followed", async (text) => {
  expect(await problemsOf(text.repeat(80_000))).toEqual([expect.stringContaining("nested too deeply")]);
  // what comes after closes all of them at once
  expect(await problemsOf(`x:\n  ${text.repeat(80_000)}a\ny: 1\n`)).toEqual([expect.stringContaining("nested too deeply")]);
});

test("a bomb of aliases is refused, and one that holds itself is no value", async () => {
  const bomb = [
    "a: &a [1,1,1,1,1,1,1,1,1]",
    ..."bcdefghi".split("").map((name, index) => `${name}: &${name} [${Array(9).fill(`*${"abcdefgh"[index]}`).join(",")}]`),
  ].join("\n");
  expect(await problemsOf(bomb)).toEqual([expect.stringContaining("cannot be read")]);
  expect(await problemsOf("cache: &c {max_entries: *c}")).toEqual([expect.stringContaining("cache.max_entries must be a whole number")]);
  expect(await problemsOf("workspace: {retain: &r [*r]}")).toEqual([
    expect.stringContaining("workspace.retain must be a list of patterns"),
  ]);
});

test("whatever a file holds, it gives values or problems, each with a place", async () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "artifact_store",
      "cache",
      ": ",
      "\n",
      "  ",
      "- ",
      "{",
      "}",
      "[",
      "]",
      "*a",
      "&a ",
      "!!str ",
      "${X}",
      "'",
      '"',
      "#",
      "---\n",
      "? ",
      "| ",
      "\t",
      "<<: ",
      "max_entries",
      "null",
      "\0",
      "\u2028",
    ),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 30 }), async (pieces) => {
      using root = temporaryRoot();
      writeFileSync(root.at("coffer.yaml"), pieces.join(""));
      const { problems } = await readConfigFile(root.at("coffer.yaml"), {});
      for (const problem of problems)
        expect([problem.line > 0, problem.column > 0, problem.message !== "", problem.hint !== ""]).toEqual([true, true, true, true]);
    }),
    { numRuns: 300 },
  );
});

test("a file without an end is refused by its first bytes, and a large pipeline.yaml of somebody else is passed by", async () => {
  await expect(readConfigFile("/dev/zero", {})).rejects.toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining("too large"),
  });
  using root = temporaryRoot();
  writeFileSync(root.at("pipeline.yaml"), "steps: []\n");
  truncateSync(root.at("pipeline.yaml"), 2 ** 40);
  expect(await findProjectFile(root.path)).toBeUndefined();
});

needsTwoUsers(test)("another user's file is not taken where everybody may write, and is anywhere else", async () => {
  using root = temporaryRoot();
  mkdirSync(root.at("shared/mine"), { recursive: true });
  chmodSync(root.at("shared"), 0o1777);
  writeFileSync(root.at("shared/coffer.yaml"), "tracking: {mlflow: {uri: http://127.0.0.1:9}}\n");
  expect(await findProjectFile(root.at("shared/mine"))).toBe(root.at("shared/coffer.yaml"));
  chownSync(root.at("shared/coffer.yaml"), 65534, 65534);
  expect(await findProjectFile(root.at("shared/mine")).catch((error: unknown) => error)).toMatchObject({
    code: "CONFIG_INVALID",
    message: expect.stringContaining("another user's (uid 65534)"),
  });
  chmodSync(root.at("shared"), 0o755);
  expect(await findProjectFile(root.at("shared/mine"))).toBe(root.at("shared/coffer.yaml"));
});
