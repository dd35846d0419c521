import { expect, test } from "bun:test";
import { appendFileSync, chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { emptyWorkspace, snapshotWorkspace } from "../../../src/run/workspace/empty-workspace.ts";
import { scratch } from "../wrapped.ts";

function workspace(...files: string[]): ReturnType<typeof scratch> & { w: string } {
  const directory = scratch();
  const w = directory.at("w");
  mkdirSync(w);
  for (const file of files) {
    mkdirSync(dirname(join(w, file)), { recursive: true });
    writeFileSync(join(w, file), file);
  }
  return { ...directory, w, [Symbol.dispose]: directory[Symbol.dispose] };
}

const NOTHING = { retain: [], isLeftOut: () => false };

test("everything that was there goes, and the workspace with it", () => {
  using directory = workspace("a", "b/c/d", ".tmp/x");
  mkdirSync(join(directory.w, "empty"));
  Bun.spawnSync(["sh", "-c", `mkfifo fifo; : > "$(printf 'caf\\351')"`], { cwd: directory.w });
  const result = emptyWorkspace(directory.w, snapshotWorkspace(directory.w), { retain: [], isLeftOut: (path) => path.startsWith(".tmp") });
  expect(result).toEqual({ gone: true, retained: [], late: [], problems: [], leftOut: { files: 1, bytes: 6 } });
  expect(existsSync(directory.w)).toBe(false);
});

test("what the user retains stays, with the directories above it", () => {
  using directory = workspace("run.log", "a", "sub/train.log", "sub/b", "keep/x", "gone/y");
  const result = emptyWorkspace(directory.w, snapshotWorkspace(directory.w), { ...NOTHING, retain: ["*.log", "keep"] });
  expect(result.retained.sort()).toEqual(["keep", "run.log", "sub/train.log"]);
  expect(result.gone).toBe(false);
  expect(readdirSync(directory.w, { recursive: true }).sort()).toEqual(["keep", "keep/x", "run.log", "sub", "sub/train.log"]);
});

test("what came or changed after the snapshot stays: nobody stored it", () => {
  using directory = workspace("stored", "grown", "sub/old", "replaced");
  const snapshot = snapshotWorkspace(directory.w);
  appendFileSync(join(directory.w, "grown"), "more");
  writeFileSync(join(directory.w, "sub", "new"), "");
  mkdirSync(join(directory.w, "later"));
  writeFileSync(join(directory.w, "swap"), "replaced");
  Bun.spawnSync(["mv", "swap", "replaced"], { cwd: directory.w });
  const result = emptyWorkspace(directory.w, snapshot, NOTHING);
  expect(result.late.sort()).toEqual(["grown", "later", "replaced", "sub/new"]);
  expect(result.gone).toBe(false);
  expect(readdirSync(directory.w, { recursive: true }).sort()).toEqual(["grown", "later", "replaced", "sub", "sub/new"]);
});

test("links are removed, what they point to is not touched", () => {
  using directory = workspace("a");
  mkdirSync(directory.at("precious"));
  writeFileSync(directory.at("precious", "data"), "kept");
  symlinkSync("../precious", join(directory.w, "link"));
  symlinkSync(directory.at("precious", "data"), join(directory.w, "file"));
  expect(emptyWorkspace(directory.w, snapshotWorkspace(directory.w), NOTHING).gone).toBe(true);
  expect(readFileSync(directory.at("precious", "data"), "utf8")).toBe("kept");
});

test("a directory that became a link meanwhile is not entered", () => {
  using directory = workspace("sub/a");
  mkdirSync(directory.at("precious"));
  writeFileSync(directory.at("precious", "a"), "kept");
  const snapshot = snapshotWorkspace(directory.w);
  Bun.spawnSync(["sh", "-c", "rm -r sub; ln -s ../precious sub"], { cwd: directory.w });
  expect(emptyWorkspace(directory.w, snapshot, NOTHING).late).toEqual(["sub"]);
  expect(readFileSync(directory.at("precious", "a"), "utf8")).toBe("kept");
});

test("read-only directories are opened up, also by who is not root", () => {
  using directory = workspace("sub/deep/a", "sub/b");
  for (const path of ["sub/deep", "sub"]) chmodSync(join(directory.w, path), 0o555);
  const root = process.getuid?.() === 0;
  if (root) Bun.spawnSync(["chown", "-R", "65534:65534", directory.path]);
  const script = `import { emptyWorkspace, snapshotWorkspace } from ${JSON.stringify(join(import.meta.dir, "../../../src/run/workspace/empty-workspace.ts"))};
    ${root ? "process.setgid(65534); process.setuid(65534);" : ""}
    console.log(emptyWorkspace(${JSON.stringify(directory.w)}, snapshotWorkspace(${JSON.stringify(directory.w)}), { retain: [], isLeftOut: () => false }).gone);`;
  const run = Bun.spawnSync([process.execPath, "-e", script]);
  expect(run.stdout.toString() + run.stderr.toString()).toBe("true\n");
});

test("a workspace that is gone already counts as emptied", () => {
  using directory = workspace();
  const gone = directory.at("nowhere");
  expect(emptyWorkspace(gone, snapshotWorkspace(gone), NOTHING).gone).toBe(true);
});

test("what cannot be looked at is not known, and stays: a path may be longer than the system takes", () => {
  using directory = workspace("a");
  const name = "n".repeat(200);
  Bun.spawnSync(["sh", "-c", `for i in $(seq 30); do mkdir ${name} && cd -P ./${name}; done; : >f`], { cwd: directory.w });
  const { gone, problems, late } = emptyWorkspace(directory.w, snapshotWorkspace(directory.w), NOTHING);
  expect([gone, existsSync(join(directory.w, "a")), problems.length + late.length > 0]).toEqual([false, false, true]);
  Bun.spawnSync(["rm", "-rf", directory.w]);
});
