import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { binary, cleanEnvironment, coffer, spawnCoffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { done } from "./words.ts";
import type { JsonError } from "./words.ts";

const at = (root: TemporaryRoot) => ({ root: root.at("s"), cwd: root.path });

interface Stats {
  entries: number;
  bytes: number;
  held: number;
  hits: number;
  misses: number;
  rate: number | null;
  evictions: number;
  limits: Record<"max_size" | "max_entries", { value: number; source: string; where: string }>;
  refs: { ref: string; cached: boolean; own_file: boolean }[];
}

const stats = async (root: TemporaryRoot, ...refs: string[]): Promise<Stats> =>
  (await done(["cache", "stats", "--json", ...refs], at(root))).json<Stats>();

/** Directories `n1`, `n2`, … each with a file `f` of ten bytes, and what else belongs into each. */
async function logDirectories(
  root: TemporaryRoot,
  count: number,
  more: (number: number) => Record<string, string> = () => ({}),
): Promise<void> {
  for (let i = 1; i <= count; i++) {
    mkdirSync(root.at(`n${i}`));
    for (const [name, text] of Object.entries({ f: `number ${String(i).padStart(3)}`, ...more(i) }))
      writeFileSync(root.at(`n${i}`, name), text);
    await done(["log", `n${i}`, "--name", `n${i}`], at(root));
  }
}

/** A script in a shell of its own, which is the caller of the commands in it. */
function shell(root: TemporaryRoot, script: string): Bun.Subprocess<"ignore", "pipe", "pipe"> {
  return Bun.spawn(["sh", "-eu", "-c", `coffer() { ${JSON.stringify(binary())} "$@"; }\n${script}\n:`], {
    cwd: root.path,
    env: { ...cleanEnvironment(), COFFER_ROOT: root.at("s") },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function inShell(root: TemporaryRoot, script: string): Promise<{ lines: string[]; said: string }> {
  const child = shell(root, script);
  const [stdout, said] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (child.exitCode !== 0) throw new Error(`the script ended with ${child.exitCode}: ${said}`);
  return { lines: stdout.trimEnd().split("\n"), said };
}

function onDisk(root: TemporaryRoot): string[] {
  const cache = root.at("s/cache");
  return existsSync(cache) ? readdirSync(cache).flatMap((top) => readdirSync(join(cache, top)).map((name) => join(cache, top, name))) : [];
}

test("with room for three, five gets in a shell leave the last three, and the first loss is said with what to raise", async () => {
  using root = temporaryRoot();
  await logDirectories(root, 6);
  await done(["cache", "set-size", "--max-entries", "3"], at(root));
  const { lines, said } = await inShell(
    root,
    "for i in 1 2 3 4 5; do coffer get n$i; done; coffer get n3; coffer cache stats n4; coffer get n6",
  );
  expect(lines.slice(0, 5).map((path) => existsSync(path))).toEqual([false, false, true, false, true]);
  expect(said.match(/the cache is full/g)).toHaveLength(1);
  expect(said).toContain("coffer cache set-size --max-entries N --max-size S makes more room");
  expect((await stats(root, "n3", "n4", "n5", "n6")).refs.map(({ cached }) => cached)).toEqual([true, false, true, true]);
  expect(await stats(root)).toMatchObject({ entries: 3, bytes: 30, held: 0, misses: 6, hits: 1, evictions: 3, refs: [] });
});

test("one miss and two hits are a rate of 2/3, and the state outlives the processes", async () => {
  using root = temporaryRoot();
  await logDirectories(root, 1);
  expect(await stats(root)).toMatchObject({ rate: null, entries: 0 });
  const path = (await done(["get", "n1"], at(root))).stdout;
  for (let i = 0; i < 2; i++) expect((await done(["get", "n1"], at(root))).stdout).toBe(path);
  expect(await stats(root)).toMatchObject({ rate: 2 / 3, hits: 2, misses: 1, entries: 1 });
  expect((await done(["cache", "stats"], at(root))).stdout).toContain("66.7 % of 3 reads");
});

test("preload loads what is not there and says so; a second time it loads nothing", async () => {
  using root = temporaryRoot();
  await logDirectories(root, 3);
  writeFileSync(root.at("single"), "a file of its own");
  await done(["log", "single", "--name", "single"], at(root));
  const load = async (...refs: string[]) => (await done(["cache", "preload", "--json", ...refs], at(root))).json();
  expect(await load("n1", "n2", "single")).toMatchObject({ loaded: 2, there: 0, own_file: 1, bytes: 20 });
  expect(await load("n1", "n2", "single")).toMatchObject({ loaded: 0, there: 2, own_file: 1, bytes: 0 });
  expect(await stats(root, "single", "n2")).toMatchObject({ misses: 0, refs: [{ own_file: true }, { cached: true }] });
  await done(["cache", "set-size", "--max-entries", "2"], at(root));
  const tight = await done(["cache", "preload", "n1", "n2", "n3"], at(root));
  expect(tight.stderr).toContain("1 evicted again, since the cache is too small for all: n1");
  const unknown = await coffer(["cache", "preload", "--json", "n1", "nothing"], at(root));
  expect([unknown.code, (JSON.parse(unknown.stderr) as JsonError).code]).toEqual([4, "NOT_FOUND"]);
  await done(["cache", "set-size", "--max-size", "0"], at(root));
  const off = await coffer(["cache", "preload", "--json", "n1"], at(root));
  expect([off.code, (JSON.parse(off.stderr) as JsonError).message]).toEqual([2, "the cache is off: nothing stays in it"]);
});

test("set-size stays with the store, outranks the configuration until --reset, and takes the oldest at once", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("coffer.yaml"), "cache: {max_entries: 50}\n");
  await logDirectories(root, 3);
  await done(["cache", "preload", "n1", "n2", "n3"], at(root));
  expect((await stats(root)).limits).toMatchObject({
    max_entries: { value: 50, source: "project", where: root.at("coffer.yaml") },
    max_size: { value: 10_000_000_000, source: "default" },
  });
  const shrunk = (await done(["cache", "set-size", "--max-entries", "2", "--json"], at(root))).json<{ evicted: { path: string }[] }>();
  expect([shrunk.evicted.map(({ path }) => path.endsWith("/n1")), onDisk(root).length]).toEqual([[true], 2]);
  expect((await done(["cache", "set-size", "--max-size", "10"], at(root))).stderr).toContain(
    "at most 2 entries (coffer cache set-size), at most 10 B (coffer cache set-size); 1 copy (10 B) evicted, 1 copy (10 B) left",
  );
  expect((await stats(root, "n3")).refs).toMatchObject([{ cached: true }]);
  expect((await done(["config", "show"], at(root))).stdout).toMatch(/^cache.max_entries +2 +store: coffer cache set-size$/m);
  await done(["cache", "set-size", "--reset"], at(root));
  expect((await done(["config", "show"], at(root))).stdout).toMatch(/^cache.max_entries +50 +project: /m);
  for (const wrong of [[], ["--reset", "--max-size", "1"], ["--max-entries", "-1"], ["--max-entries", "1.5"], ["--max-size", "much"]])
    expect([wrong, (await coffer(["cache", "set-size", ...wrong], at(root))).code]).toEqual([wrong, 2]);
});

test("size 0 is off: what is got lasts as long as its reader, and the next command takes it", async () => {
  using root = temporaryRoot();
  await logDirectories(root, 3);
  await done(["cache", "set-size", "--max-entries", "0"], at(root));
  const { lines } = await inShell(root, 'a=$(coffer get n1); b=$(coffer get n2); coffer get n1 >/dev/null; cat "$a/f" "$b/f"');
  expect(lines).toEqual(["number   1number   2"]);
  const { stdout } = await done(["get", "n3"], at(root));
  expect(onDisk(root)).toEqual([stdout.trimEnd()]);
});

test("clear takes what nobody else holds; a live process and a run keep what they got", async () => {
  using root = temporaryRoot();
  await logDirectories(root, 3);
  const reader = shell(root, 'p=$(coffer get n1); echo "$p"; sleep 600 & wait');
  const lines = reader.stdout.getReader();
  const path = new TextDecoder().decode((await lines.read()).value).trimEnd();
  await done(["get", "n2"], at(root));
  mkdirSync(root.at("s/cache/strange"));
  const clear = async () => (await done(["cache", "clear", "--json"], at(root))).json();
  expect(await clear()).toMatchObject({ entries: 1, bytes: 10, left: 1, left_bytes: 10 });
  expect([readFileSync(join(path, "f"), "utf8"), onDisk(root)]).toEqual(["number   1", [path]]);
  reader.kill("SIGKILL");
  await reader.exited;
  expect(await clear()).toMatchObject({ entries: 1, left: 0 });
  const script = `p=$(coffer get n1); q=$(coffer get n2); coffer cache set-size --max-entries 1; coffer get n3 >/dev/null; coffer cache clear; cat "$p/f" "$q/f"`;
  const run = await done(["run", "--", "sh", "-c", `coffer() { ${JSON.stringify(binary())} "$@"; }; ${script}`], at(root));
  expect([run.stdout.includes("number   1number   2"), run.stderr.includes("3 copies (30 B) held")]).toEqual([true, true]);
  await done(["get", "n3"], at(root));
  expect(onDisk(root)).toHaveLength(1);
});

test("anybody may delete the copies at any time", async () => {
  using root = temporaryRoot();
  await logDirectories(root, 2);
  const paths = (await inShell(root, "coffer get n1; coffer get n2")).lines;
  rmSync(root.at("s/cache"), { recursive: true });
  expect(await stats(root, "n1")).toMatchObject({ entries: 0, bytes: 0, refs: [{ cached: false }] });
  const { stdout } = await done(["get", "n1"], at(root));
  expect([stdout.trimEnd(), readFileSync(join(paths[0] as string, "f"), "utf8")]).toEqual([paths[0] as string, "number   1"]);
  rmSync(paths[0] as string, { recursive: true });
  expect((await done(["cache", "clear", "--json"], at(root))).json()).toMatchObject({ entries: 0, left: 0 });
});

test("eight shells that want more than there is room for: each finds the right bytes where it was told, and the limit holds in the end", async () => {
  using root = temporaryRoot();
  await logDirectories(root, 12);
  await done(["cache", "set-size", "--max-entries", "4"], at(root));
  const script = (first: number) => `i=${first}
    for round in 1 2 3 4 5 6 7 8 9 10 11 12; do
      p=$(coffer get n$i --quiet)
      [ "$(cat "$p/f")" = "$(printf 'number %3d' $i)" ] || echo "n$i is wrong at $p"
      i=$(( (i * 5 + round) % 12 + 1 ))
    done`;
  const ends = await Promise.all(Array.from({ length: 8 }, (_, index) => inShell(root, script(index + 1))));
  expect(ends.map(({ lines }) => lines)).toEqual(Array.from({ length: 8 }, () => [""]));
  await done(["get", "n1"], at(root));
  const { entries, hits, misses } = await stats(root);
  expect([entries, onDisk(root).length, hits + misses]).toEqual([4, 4, 8 * 12 + 1]);
}, 60_000);

test("killed at any moment, get leaves an index and files that agree after the next command, and nothing staged", async () => {
  using root = temporaryRoot();
  const more = (number: number) => Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`g${i}`, `${number} and ${i} `.repeat(50)]));
  await logDirectories(root, 6, more);
  await done(["cache", "set-size", "--max-entries", "3"], at(root));
  let killed = 0;
  for (let round = 0; round < 24; round++) {
    const child = spawnCoffer(["get", `n${(round % 6) + 1}`], at(root));
    await Bun.sleep(8 + round * 2);
    child.kill("SIGKILL");
    await child.exited;
    if (child.signalCode === "SIGKILL") killed++;
    const path = (await done(["get", `n${((round * 5) % 6) + 1}`, "--quiet"], at(root))).stdout.trimEnd();
    const there = onDisk(root);
    expect([round, (await stats(root)).entries, readdirSync(path).length, there.includes(path)]).toEqual([round, there.length, 201, true]);
    expect(there.length).toBeLessThanOrEqual(3);
    expect(readdirSync(root.at("s/tmp"))).toEqual([]);
  }
  expect(killed).toBeGreaterThan(3);
  await done(["verify"], at(root));
}, 60_000);
