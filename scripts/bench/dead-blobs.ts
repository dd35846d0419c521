// `bun scripts/bench/dead-blobs.ts COFFER ROOT DEAD LIVING SIZE`: a store whose packs have many dead members, as a sweep leaves it that was stopped before it wrote them anew.
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { loadSettings } from "../../src/config/settings.ts";
import { sweep } from "../../src/gc/apply/sweep.ts";
import { planGc } from "../../src/gc/plan/plan.ts";
import { PURGE_RULES } from "../../src/gc/plan/rules.ts";
import { openStore } from "../../src/store/store.ts";
import { writeRandomFiles } from "./random-files.ts";

const [coffer, root, dead, living, size] = process.argv.slice(2) as [string, string, string, string, string];
const input = `${root}-input`;
await writeRandomFiles(join(input, "all/dead"), Number(dead), Number(size));
await writeRandomFiles(join(input, "all/living"), Number(living), Number(size));
mkdirSync(root, { recursive: true });
run("log", join(input, "all"), "--name", "all");
renameSync(join(input, "all/living"), join(input, "living"));
run("log", join(input, "living"), "--name", "living");
rmSync(input, { recursive: true });
run("rm", "all");

const settings = await loadSettings({ flags: { root, set: {} }, env: {}, cwd: root });
{
  using store = openStore(settings, { make: false, access: "make-room", now: Date.now, say: console.error });
  const count = store.db.query<{ n: number }, []>("SELECT count(*) AS n FROM blobs");
  // asked between the batches: of the living, and the list of their directory, there are so many
  const isSwept = (): boolean => (count.get()?.n ?? 0) <= Number(living) + 1;
  await sweep(store, planGc(store, { ...PURGE_RULES, orphans: false }), isSwept);
}
console.log(root);

function run(...words: string[]): void {
  const env = { PATH: process.env["PATH"] ?? "", HOME: root, COFFER_ROOT: root };
  const child = Bun.spawnSync([coffer, ...words, "--quiet"], { cwd: root, env, stdio: ["ignore", "ignore", "inherit"] });
  if (child.exitCode !== 0) throw new Error(`coffer ${words.join(" ")} ended with ${child.exitCode}`);
}
