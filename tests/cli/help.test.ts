import { expect, test } from "bun:test";
import { COMMANDS } from "../../src/cli/commands.ts";
import { parseCall } from "../../src/cli/command.ts";
import { coffer } from "../support/coffer.ts";

const names = Object.keys(COMMANDS);

test.each(names)("coffer %s --help shows what it is for, its flags, examples and exit codes", async (name) => {
  const result = await coffer([...name.split(" "), "--help"]);
  expect([result.code, result.stderr]).toEqual([0, ""]);
  const { spec } = (await (COMMANDS[name] as (typeof COMMANDS)[string]).load()).default;
  expect(result.stdout).toContain(COMMANDS[name]?.summary as string);
  for (const flag of [...Object.keys(spec.flags), "root", "config", "json", "quiet", "verbose"])
    expect(result.stdout).toContain(`--${flag}`);
  for (const [line] of spec.examples) expect(result.stdout).toContain(line);
  for (const code of Object.keys(spec.exits ?? {})) expect(result.stdout).toMatch(new RegExp(`^  ${code} `, "m"));
  expect(result.stdout).toContain("EXIT CODES");
});

test.each(names)("the examples of %s are calls that it takes", async (name) => {
  const { spec } = (await (COMMANDS[name] as (typeof COMMANDS)[string]).load()).default;
  expect(spec.examples.length).toBeGreaterThan(0);
  let calls = 0;
  for (const [line] of spec.examples)
    for (const call of callsOf(line)) {
      if (call.slice(0, name.split(" ").length).join(" ") !== name) continue;
      calls++;
      const words = call.slice(name.split(" ").length);
      const cut = words.indexOf("--");
      expect(() => parseCall(spec, cut === -1 ? words : words.slice(0, cut))).not.toThrow();
      expect(cut === -1 || spec.takesRest !== undefined).toBe(true);
    }
  expect(calls).toBeGreaterThan(0);
});

/** The words of each call of coffer in a line of shell. */
function callsOf(line: string): string[][] {
  return line.split(/\$\(|\||&&|;|\)/).flatMap((part) => {
    const words = [...part.matchAll(/"([^"]*)"|'([^']*)'|([^\s"'<>]+)|[<>]/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
    const at = words.indexOf("coffer");
    return at === -1 ? [] : [words.slice(at + 1, words.includes("", at) ? words.indexOf("", at) : undefined)];
  });
}

test("coffer --help lists every command; without a word it does so on stderr and exits with 2", async () => {
  for (const args of [["--help"], ["-h"], ["help"]]) {
    const result = await coffer(args);
    expect([result.code, result.stderr]).toEqual([0, ""]);
    for (const name of names) expect(result.stdout).toContain(`\n  ${name} `);
  }
  const bare = await coffer([]);
  expect([bare.code, bare.stdout, bare.stderr.includes("coffer COMMAND")]).toEqual([2, "", true]);
});

test("coffer --version is one line", async () => {
  expect(await coffer(["--version"])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^coffer [0-9]+\.[0-9]+\.[0-9]+\n$/),
    stderr: "",
  });
});

test.each([
  [["frobnicate"], /unknown command “frobnicate”/],
  [["stat"], /did you mean coffer stats\?/],
  [["sync"], /did you mean coffer sync-mlflow\?/],
  [["mlflow"], /did you mean coffer sync-mlflow\?/],
  [["push"], /did you mean coffer sync-mlflow\?/],
  [["list"], /did you mean coffer ls\?/],
  [["manif"], /did you mean coffer manifest export or coffer manifest import\?/],
  [["constructor"], /unknown command/],
  [["config"], /needs one more word.*config show/s],
  [["config", "shw"], /unknown command “config shw”/],
  [["--root", "x", "ls"], /the command comes first/],
  [["ls", "--toString"], /unknown flag --toString/],
  [["ls", "--json=yes"], /--json takes no value/],
  [[""], /unknown command/],
] as const)("%j is wrong usage, with a hint", async (args, said) => {
  const result = await coffer(args);
  expect([result.code, result.stdout]).toEqual([2, ""]);
  expect(result.stderr).toMatch(said);
  expect(result.stderr).toContain("\n  hint: ");
});
