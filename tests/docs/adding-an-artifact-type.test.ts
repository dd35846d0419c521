import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "bun:test";
import { cleanEnvironment } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { fencedBlocks } from "./markdown.ts";
import type { Block } from "./markdown.ts";
import { project, readPage } from "./page.ts";
import { play, stepsOf } from "./session.ts";

/** What the steps of the page read and change. */
const COPIED = ["src", "tests/domain", "tests/docs", "tests/support", "docs", "package.json", "tsconfig.json", "bunfig.toml"];

test("a type is added as docs/adding-an-artifact-type.md says", async () => {
  using root = temporaryRoot();
  const copy = root.at("copy");
  for (const path of COPIED) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(join(project, path), join(copy, path), { recursive: true });
  }
  symlinkSync(join(project, "node_modules"), join(copy, "node_modules"));
  const steps = stepsOf(fencedBlocks(readPage("docs/adding-an-artifact-type.md")).map(asTyped));
  expect(await play(steps, { cwd: copy, env: cleanEnvironment(), script: root.at("typed.sh") })).toEqual([]);
});

/** A diff is applied where it stands. */
function asTyped(block: Block): Block {
  return block.language === "diff"
    ? { ...block, lines: ["$ git apply <<'end'", ...block.lines.map((line) => `> ${line}`), "> end"] }
    : block;
}
