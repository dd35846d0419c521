// `bun run soak [KIND…] [--minutes N] [--rounds N] [--seed N] [--coffer FILE]`: tries to make a store lose something, for as long as one likes.
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Difference } from "./difference.ts";
import { KINDS, soak } from "./rounds.ts";
import type { Kind } from "./rounds.ts";

const ALL: readonly Kind[] = [...(Object.keys(KINDS) as (keyof typeof KINDS)[]), "processes"];
const project = join(import.meta.dir, "../..");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: "string" }, rounds: { type: "string" }, seed: { type: "string" }, coffer: { type: "string" } },
});
const unknown = positionals.filter((word) => !(ALL as readonly string[]).includes(word));
const numbers = {
  minutes: Number(values.minutes ?? (values.rounds === undefined ? 10 : Infinity)),
  rounds: Number(values.rounds ?? Infinity),
};
const first = values.seed === undefined ? Math.floor(Math.random() * 1e9) : Number(values.seed);
if (unknown.length > 0 || [numbers.minutes, numbers.rounds, first].some((number) => !(number >= 0))) {
  console.error(`usage: bun run soak [${ALL.join("|")}]… [--minutes N] [--rounds N] [--seed N] [--coffer FILE]`);
  process.exit(2);
}
const kinds = positionals.length === 0 ? ALL : (positionals as Kind[]);

const home = mkdtempSync(join(tmpdir(), "coffer-soak-"));
try {
  if (values.coffer === undefined) {
    const build = Bun.spawnSync([process.execPath, join(project, "scripts/build.ts")], { stdio: ["ignore", "inherit", "inherit"] });
    if (build.exitCode !== 0) throw new Error("dist/coffer cannot be built; the words above say why");
  }
  // a build that comes later is not what this began with
  const binary = join(home, "coffer");
  copyFileSync(values.coffer ?? join(project, "dist/coffer"), binary);
  const began = performance.now();
  for (const [nth, kind] of kinds.entries()) {
    // each has its share of the time
    const until = began + (numbers.minutes * 60_000 * (nth + 1)) / kinds.length;
    const isOver = ({ rounds }: { rounds: number }): boolean => rounds >= numbers.rounds || performance.now() >= until;
    await soak({ binary, kind, seed: first, isOver, tell: (words) => console.log(words) });
  }
} catch (error) {
  if (!(error instanceof Difference)) throw error;
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(home, { recursive: true, force: true });
}
