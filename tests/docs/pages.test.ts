import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "bun:test";
import { COMMANDS } from "../../src/cli/commands.ts";
import { GLOBAL_FLAGS } from "../../src/cli/command.ts";
import type { Flags } from "../../src/cli/command.ts";
import { codeSpans, fencedBlocks, prose } from "./markdown.ts";
import { project, readPage } from "./page.ts";

const pages = [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md"],
  ...new Bun.Glob("docs/*.md").scanSync({ cwd: project }),
  ...new Bun.Glob("examples/**/README.md").scanSync({ cwd: project, followSymlinks: false }),
].toSorted();

/** What a page shows as code: spans, and lines of blocks. */
const shown = (page: string): string[] => {
  const text = readPage(page);
  // a directory's list begins with these words
  return [...codeSpans(text), ...fencedBlocks(text).flatMap(({ lines }) => lines)].filter((code) => code !== "coffer tree 1");
};

test("every command is documented", () => {
  const documented = new Set(["README.md", "docs/configuration.md", "docs/store.md"].flatMap((page) => shown(page).flatMap(commandsIn)));
  expect(Object.keys(COMMANDS).filter((name) => !documented.has(name))).toEqual([]);
});

test("every command that a page names is one", () => {
  expect(commandsIn("run `coffer runs close RUN`, `coffer gcc`")).toEqual(["runs close", "gcc"]);
  const unknown = pages.flatMap((page) => shown(page).flatMap((code) => commandsIn(code).map((name) => `${page}: coffer ${name}`)));
  expect(unknown.filter((line) => !((/: coffer (.*)$/.exec(line)?.[1] as string) in COMMANDS))).toEqual([]);
});

test("every flag of coffer that a page shows is one of the command that it is shown with", async () => {
  const wrong: string[] = [];
  for (const page of pages)
    for (const code of shown(page))
      for (const call of callsIn(code)) {
        const entry = COMMANDS[call.name];
        if (!entry) continue;
        const flags: Flags = { ...(await entry.load()).default.spec.flags, ...GLOBAL_FLAGS };
        for (const flag of call.flags) if (!(flag in flags)) wrong.push(`${page}: coffer ${call.name} --${flag}`);
      }
  expect(wrong).toEqual([]);
  expect(callsIn("$ coffer run --policy scratch -- node x --epochs 3 | coffer log --stdin")).toEqual([
    { name: "run", flags: ["policy"] },
    { name: "log", flags: ["stdin"] },
  ]);
});

test("every npm script that a page names exists", () => {
  const { scripts } = JSON.parse(readPage("package.json")) as { scripts: Record<string, string> };
  const named = pages.flatMap((page) =>
    shown(page).flatMap((code) =>
      [...code.matchAll(/\bnpm (?:run )?(?!ci\b|i\b|install\b|run\b)([a-z][a-z:-]*)/g)].map((match) => match[1] as string),
    ),
  );
  expect(named).toContain("demo");
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

test("every link between pages leads somewhere", () => {
  const broken: string[] = [];
  for (const page of pages)
    for (const [, target = ""] of prose(readPage(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? page : join(dirname(page), path);
      const isThere = existsSync(join(project, file)) && (anchor === undefined || anchorsOf(readPage(file)).includes(anchor));
      if (!isThere) broken.push(`${page}: ${target}`);
    }
  expect(broken).toEqual([]);
});

interface CallShown {
  name: string;
  flags: string[];
}

/** The calls of coffer in a piece of code, as far as they are complete commands: `coffer COMMAND` and the root's own flags are none. */
function callsIn(code: string): CallShown[] {
  return code.split(/[|;&]+|\$\(|`/).flatMap((part) => {
    const call = /\bcoffer ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)(?= |$|[),."'])(.*)$/.exec(part.trim());
    // what a command prints begins with “coffer: ”, and such a line is a sentence
    if (!call || part.startsWith("coffer: ")) return [];
    const words = call[1] as string;
    const name = words in COMMANDS ? words : (words.split(" ")[0] as string);
    const own = (call[2] as string).split(/ --(?: |$)/)[0] as string;
    return [{ name, flags: [...own.matchAll(/(?:^|\s)--([a-z][a-z-]*)/g)].map((match) => match[1] as string) }];
  });
}

function commandsIn(code: string): string[] {
  return callsIn(code).map(({ name }) => name);
}

/** As GitHub makes them of headings. */
function anchorsOf(page: string): string[] {
  return [...prose(page).matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replace(/[^a-z0-9 _-]/g, "")
      .replaceAll(" ", "-"),
  );
}
