import { expect, test } from "bun:test";
import { COMMANDS } from "../../src/cli/commands.ts";
import { bashScript } from "../../src/cli/completions/bash.ts";
import { coffer } from "../support/coffer.ts";

/** What bash offers for a line under a script; the last word is the one being typed. */
function offeredBy(script: string, words: readonly string[]): string[] {
  const ask = `COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _coffer; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const shell = Bun.spawnSync(["bash", "--norc", "-c", `${script}\n${ask}`, "bash", "coffer", ...words]);
  expect(shell.stderr.toString()).toBe("");
  return shell.stdout
    .toString()
    .split("\n")
    .filter((line) => line !== "");
}

async function offered(...words: string[]): Promise<string[]> {
  return offeredBy((await coffer(["completions", "bash"])).stdout, words);
}

test("bash accepts its script", async () => {
  const { stdout, code } = await coffer(["completions", "bash"]);
  expect(code).toBe(0);
  const check = Bun.spawnSync(["bash", "-n"], { stdin: Buffer.from(stdout) });
  expect([check.exitCode, check.stderr.toString()]).toEqual([0, ""]);
});

test("bash completes commands and the second word of a family", async () => {
  expect(await offered("conf")).toEqual(["config"]);
  expect(await offered("ini")).toEqual(["init"]);
  expect(await offered("config", "")).toEqual(["show", "validate", "schema"]);
  expect(await offered("config", "sc")).toEqual(["schema"]);
  expect((await offered("")).toSorted()).toEqual(
    [...new Set(Object.keys(COMMANDS).map((name) => name.split(" ")[0] as string)), "--help", "--version"].toSorted(),
  );
});

test("bash completes flags, values that are words, and words that a command takes", async () => {
  expect(await offered("config", "show", "--j")).toEqual(["--json"]);
  expect(await offered("init", "--ver")).toEqual(["--verbose"]);
  expect(await offered("completions", "")).toEqual(["bash", "zsh", "fish"]);
  expect(await offered("completions", "f")).toEqual(["fish"]);
});

test("bash completes the values of a flag, also behind =, and a command of the user's own behind --", () => {
  const flag = { alias: undefined, multiple: false, description: "it's a [policy]: one", directory: false };
  const script = bashScript([
    {
      words: ["run"],
      summary: "",
      flags: [{ ...flag, name: "policy", alias: "p", takesValue: true, options: ["separated", "scratch"] }],
      choices: [],
      takesRest: true,
    },
    { words: ["runs"], summary: "", flags: [{ ...flag, name: "json", takesValue: false, options: [] }], choices: [], takesRest: false },
    {
      words: ["runs", "close"],
      summary: "",
      flags: [{ ...flag, name: "assume-dead", takesValue: false, options: [] }],
      choices: [],
      takesRest: false,
    },
  ]);
  expect(offeredBy(script, ["ru"])).toEqual(["run", "runs"]);
  expect(offeredBy(script, ["run", "-"])).toEqual(["--policy", "-p", "--"]);
  expect(offeredBy(script, ["run", "--policy", "sc"])).toEqual(["scratch"]);
  expect(offeredBy(script, ["run", "-p", ""])).toEqual(["separated", "scratch"]);
  expect(offeredBy(script, ["run", "--policy", "="])).toEqual(["separated", "scratch"]);
  expect(offeredBy(script, ["run", "--policy", "=", "se"])).toEqual(["separated"]);
  expect(offeredBy(script, ["run", "--", "ech"])).toContain("echo");
  expect(offeredBy(script, ["run", "--", "echo", "--pol"])).toEqual([]);
  expect(offeredBy(script, ["runs", ""])).toEqual(["close"]);
  expect(offeredBy(script, ["runs", "--"])).toEqual(["--json"]);
  expect(offeredBy(script, ["runs", "close", "--"])).toEqual(["--assume-dead"]);
});

test("bash leaves file names to readline", async () => {
  expect(await offered("init", "--root", "")).toEqual([]);
  expect(await offered("init", "--root", "=", "x")).toEqual([]);
});

test.each(["zsh", "fish"])("the script for %s names every command and its flags", async (shell) => {
  const { stdout, code } = await coffer(["completions", shell]);
  expect(code).toBe(0);
  for (const word of new Set(Object.keys(COMMANDS).flatMap((name) => name.split(" ")))) expect(stdout).toContain(word);
  expect(stdout).toContain(shell === "fish" ? "-l json" : "--json[");
});

for (const shell of ["zsh", "fish"])
  test.skipIf(Bun.which(shell) === null)(`${shell} accepts its script`, async () => {
    const { stdout } = await coffer(["completions", shell]);
    const check = Bun.spawnSync([shell, "-n", "/dev/stdin"], { stdin: Buffer.from(stdout) });
    expect([check.exitCode, check.stderr.toString()]).toEqual([0, ""]);
  });

test("another shell is refused", async () => {
  expect(await coffer(["completions", "tcsh"])).toMatchObject({ code: 2, stderr: expect.stringContaining("bash, zsh, fish") });
});
