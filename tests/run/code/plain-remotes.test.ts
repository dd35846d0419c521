import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { plainRemotes } from "../../../src/run/code/plain-remotes.ts";
import { scratch } from "../wrapped.ts";

/** What git itself says, first URL by name, beside what was read without it. */
function both(files: { own: string; user?: string }, env: Record<string, string> = {}) {
  using directory = scratch();
  mkdirSync(directory.at("top"));
  const all = { PATH: "/usr/bin:/bin", HOME: directory.path, ...env };
  Bun.spawnSync(["git", "init", "-q"], { cwd: directory.at("top"), env: { PATH: all.PATH, HOME: directory.path } });
  writeFileSync(directory.at("top", ".git", "config"), files.own);
  if (files.user !== undefined) writeFileSync(directory.at(".gitconfig"), files.user);
  const told = Bun.spawnSync(["git", "config", "--null", "--get-regexp", "^remote\\..*\\.url$"], { cwd: directory.at("top"), env: all });
  const byGit = new Map<string, string>();
  for (const entry of told.stdout.toString().split("\0").filter(Boolean)) {
    const [key = "", url = ""] = entry.split("\n");
    const name = key.slice("remote.".length, -".url".length);
    if (!byGit.has(name)) byGit.set(name, url);
  }
  return { byGit, plain: plainRemotes({ directory: directory.at("top"), env: all }) };
}

const CORE = "[core]\n\trepositoryformatversion = 0\n";
const ORIGIN = `[remote "origin"]\n\turl = https://host/team/code.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n`;

const SYSTEM = "/etc/gitconfig";
/** Then all is left to git here. */
const isOdd =
  process.platform !== "linux" ||
  !existsSync("/usr/bin/git") ||
  (existsSync(SYSTEM) && /remote|include/i.test(readFileSync(SYSTEM, "utf8")));

test.skipIf(isOdd).each([
  ["no remote", CORE],
  ["one", CORE + ORIGIN],
  ["several, one with two URLs", `${CORE}${ORIGIN}[remote "fork/of.mine"]\n  URL=git@host:me/code\n\turl = second\n\tpushurl = third\n`],
  ["lines that end as on Windows", (CORE + ORIGIN).replaceAll("\n", "\r\n")],
  [
    "comments, and other sections",
    `# who\n${CORE}; what\n${ORIGIN}[branch "main"]\n\tremote = origin\n[url "x"]\n\tinsteadOf = y\n[user]\n`,
  ],
  ["a name twice", `${CORE}${ORIGIN}[Remote "origin"]\n\turl = other place\n`],
])("a configuration with %s is read as git reads it", (_, own) => {
  const { byGit, plain } = both({ own, user: "[user]\n\tname = me\n[color]\n\tui = auto\n" });
  expect(plain).toEqual(byGit);
});

test.each([
  ["a value in quotes", { own: `${CORE}[remote "o"]\n\turl = "a # b"\n` }, { o: "a # b" }],
  ["a comment behind a value", { own: `${CORE}[remote "o"]\n\turl = a # b\n` }, { o: "a" }],
  ["a line that goes on", { own: `${CORE}[remote "o"]\n\turl = a\\\nb\n` }, { o: "ab" }],
  ["a key behind its section", { own: `${CORE}[remote "o"] url = a\n` }, { o: "a" }],
  ["a section with a dot", { own: `${CORE}[remote.o]\n\turl = a\n` }, { o: "a" }],
  ["an escaped name", { own: `${CORE}[remote "o\\"p"]\n\turl = a\n` }, { 'o"p': "a" }],
  ["another file that is taken in", { own: `${CORE}[include]\n\tpath = more\n` }, {}],
  ["a value that ends in a blank of its own kind", { own: `${CORE}[remote "o"]\n\turl = a\u00a0\n` }, { o: "a\u00a0" }],
  ["a value with the end of an old line", { own: `${CORE}[remote "o"]\n\turl = a\rb\n` }, { o: expect.stringMatching(/^a.b$/s) }],
  ["a value with the end of a page", { own: `${CORE}[remote "o"]\n\turl = a\fb\n` }, { o: "a\fb" }],
  ["a remote of the user's", { own: CORE, user: ORIGIN }, { origin: "https://host/team/code.git" }],
])("%s is left to git", (_, files, remotes) => {
  const { byGit, plain } = both(files);
  expect(plain).toBeUndefined();
  expect(Object.fromEntries(byGit)).toEqual(remotes);
});

test("variables of git's are left to git, and so is what is no ordinary repository", () => {
  const env = { GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "remote.o.url", GIT_CONFIG_VALUE_0: "a" };
  expect(both({ own: CORE }, env)).toEqual({ byGit: new Map([["o", "a"]]), plain: undefined });
  using directory = scratch();
  const remotes = (): unknown => plainRemotes({ directory: directory.path, env: { PATH: "/usr/bin:/bin", HOME: directory.path } });
  writeFileSync(directory.at(".git"), "gitdir: elsewhere\n");
  expect(remotes()).toBeUndefined();
  rmSync(directory.at(".git"));
  mkdirSync(directory.at(".git"));
  writeFileSync(directory.at(".git", "config"), CORE + ORIGIN);
  writeFileSync(directory.at(".git", "commondir"), "../other/.git\n");
  expect(remotes()).toBeUndefined();
});

test.skipIf(isOdd)(
  "a git that is not the system's may have its configuration anywhere, and one without a home reads none: both are left to git",
  () => {
    using directory = scratch();
    mkdirSync(directory.at("bin"));
    symlinkSync("/usr/bin/git", directory.at("bin", "git"));
    mkdirSync(directory.at(".git"));
    writeFileSync(directory.at(".git", "config"), CORE + ORIGIN);
    const [PATH, HOME] = ["/usr/bin:/bin", directory.path];
    const read = (env: Record<string, string>) => plainRemotes({ directory: directory.path, env })?.size;
    expect([
      read({ PATH, HOME }),
      read({ PATH: `${directory.at("bin")}:${PATH}`, HOME }),
      read({ PATH: directory.path, HOME }),
      read({ PATH }),
      read({ PATH, HOME: "" }),
    ]).toEqual([1, undefined, undefined, undefined, undefined]);
  },
);
