import { expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { withFailing } from "../support/failing-calls.ts";
import { mountDisk, needsDisk } from "../support/disk/mount-disk.ts";
import { examine } from "./diagnosis.ts";
import { place } from "./run-place.ts";

const mounted = needsDisk(test);

/** What a store's database is kept with, by its own header. */
function kept(root: string): "log" | "rollback" {
  return readFileSync(join(root, "coffer.db"))[18] === 2 ? "log" : "rollback";
}

mounted(
  "on a file system that others may share a store gets a rollback journal, says so once, and does all that it does elsewhere",
  async () => {
    using here = place();
    await using disk = await mountDisk(here.at("net"), "network");
    const env = { COFFER_ROOT: join(disk.path, "store") };
    here.write("f", "bytes\n");
    const made = await here.coffer(["log", "f", "--name", "kept"], { env });
    expect([made.code, made.stderr]).toEqual([
      0,
      expect.stringContaining("is kept with a rollback journal, since a write-ahead log is not safe on fuse.disk"),
    ]);
    expect((await here.coffer(["log", "f", "--name", "kept"], { env })).stderr).not.toContain("rollback journal");
    expect(kept(env.COFFER_ROOT)).toBe("rollback");
    const seen = await examine(here, env);
    expect([seen.code, seen.of("disk", "file system")]).toEqual([
      0,
      expect.stringMatching(/^warn: fuse\.disk, mounted at .*: other machines may write to it → /),
    ]);
    expect(seen.of("disk", "write-ahead log")).toBe("ok: works for processes of this machine; not used (database_journal: auto)");
    for (const args of [
      ["run", "--policy", "scratch", "--", "sh", "-c", "echo >$COFFER_WORKSPACE/o"],
      ["gc", "--apply", "--grace", "0"],
      ["backup", join(disk.path, "copy"), "--with-bytes"],
      ["rebuild", "--force"],
      ["verify"],
    ]) {
      const { code, stderr } = await here.coffer(args, { env });
      expect([args, code, stderr.includes("error")]).toEqual([args, 0, false]);
    }
    expect([kept(env.COFFER_ROOT), kept(join(disk.path, "copy"))]).toEqual(["rollback", "rollback"]);
    expect(readFileSync((await here.coffer(["get", "kept"], { env })).stdout.trim(), "utf8")).toBe("bytes\n");
  },
);

mounted("a store that is moved to such a file system leaves its log, and nothing of it is lost", async () => {
  using here = place();
  await using disk = await mountDisk(here.at("net"), "network");
  here.write("f", "bytes\n");
  await here.coffer(["log", "f", "--name", "kept"]);
  expect(kept(here.root)).toBe("log");
  const moved = join(disk.path, "store");
  cpSync(here.root, moved, { recursive: true });
  const env = { COFFER_ROOT: moved };
  expect((await here.coffer(["ls"], { env })).stdout).toContain("kept@v1");
  expect([kept(moved), existsSync(join(moved, "coffer.db-wal"))]).toEqual(["rollback", false]);
  expect((await here.coffer(["log", "f", "--name", "kept"], { env })).stdout).toBe("kept@v2\n");
});

mounted("where locks keep nobody away, no store is made", async () => {
  using here = place();
  await using disk = await mountDisk(here.at("net"), "network");
  const root = join(disk.path, "store");
  mkdirSync(root);
  const { code, stderr } = await here.coffer(["log", "--metric", "a=1"], {
    env: { COFFER_ROOT: root },
    before: withFailing("lock-lies"),
  });
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/locks do not work in .*: two processes had one at the same time\n {2}hint: two writers at once would damage/),
  ]);
  expect(readdirSync(root)).toEqual([]);
});
