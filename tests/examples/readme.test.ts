import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "bun:test";
import { project, readPage } from "../docs/page.ts";
import { section } from "../docs/markdown.ts";

const page = readPage("examples/README.md");
const scripts = [...new Bun.Glob("*/run.sh").scanSync({ cwd: `${project}/examples` })].map(dirname);

test("each example with a script has a section in the page, and a test", () => {
  expect(scripts.length).toBeGreaterThan(3);
  const tests = readdirSync(import.meta.dir);
  for (const name of scripts) {
    expect(page).toContain(`[${name}](#${name})`);
    expect(section(page, name).length).toBeGreaterThan(200);
    expect(tests).toContain(`${name}.test.ts`);
  }
});

test("what the page shows of an example is in its scripts", () => {
  for (const name of scripts) {
    const files = [...new Bun.Glob("*.sh").scanSync({ cwd: `${project}/examples/${name}` })].map((file) =>
      readPage(`examples/${name}/${file}`),
    );
    // paths and ids are written with variables there
    const flags = [...section(page, name).matchAll(/^ {4}coffer .*$/gm)].flatMap(([line]) => line.match(/(?<= )--[a-z][a-z-]*/g) ?? []);
    expect(flags.length).toBeGreaterThan(1);
    for (const flag of flags) expect([name, flag, files.some((text) => new RegExp(` ${flag}\\s`).test(text))]).toEqual([name, flag, true]);
  }
});
