import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { expect, test } from "bun:test";
import { writeCheckpointArchive } from "../../src/registry/checkpoint-archive.ts";
import type { CheckpointManifest } from "../../src/registry/checkpoint-archive.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const FILES = { "model.pt": "weights", "sub/optimizer.bin": "moments", "sub/deep/ä b.txt": "", run: "#!/bin/sh" };

function checkpoint(path: string, names: readonly string[] = Object.keys(FILES)): string {
  for (const name of names) {
    mkdirSync(join(path, name, ".."), { recursive: true });
    writeFileSync(join(path, name), FILES[name as keyof typeof FILES]);
  }
  chmodSync(join(path, "run"), 0o755);
  return path;
}

async function pack(source: string, to: string, leaveOut: (path: string) => boolean = () => false) {
  const made = await writeCheckpointArchive({ source, trial: 7, leaveOut, to });
  return { ...made, bytes: readFileSync(to) };
}

/** `type path size` of each member, as tar lists them. */
function members(archive: string): { type: string; path: string; size: number }[] {
  const { stdout, stderr } = Bun.spawnSync(["tar", "--quoting-style=literal", "-tvzf", archive], {
    env: { LC_ALL: "C.UTF-8", PATH: process.env["PATH"] ?? "" },
  });
  expect(stderr.toString()).toBe("");
  return stdout
    .toString()
    .trimEnd()
    .split("\n")
    .map((line) => /^(.)\S+ +\S+ +([0-9]+) \S+ \S+ (.*)$/.exec(line) as unknown as [string, string, string, string])
    .map(([, type, size, path]) => ({ type, path: path.replace(/ -> .*/, ""), size: Number(size) }));
}

/** All that tells whether somebody touched a tree. */
function snapshot(path: string): string[] {
  return readdirSync(path, { recursive: true })
    .map(String)
    .toSorted()
    .map((name) => {
      const { mode, mtimeMs, ctimeMs, size, ino, nlink } = lstatSync(join(path, name));
      return [name, mode, mtimeMs, ctimeMs, size, ino, nlink].join(" ");
    });
}

test("members lie under one directory, and the manifest tells them all, with sizes that sum up", async () => {
  using root = temporaryRoot();
  const source = checkpoint(root.at("epoch-3"));
  const { manifest } = await pack(source, root.at("a.tar.gz"));
  const listed = members(root.at("a.tar.gz"));
  expect(listed.map(({ path }) => path)).toEqual([
    "epoch-3/model.pt",
    "epoch-3/run",
    "epoch-3/sub/deep/ä b.txt",
    "epoch-3/sub/optimizer.bin",
  ]);
  expect(manifest).toEqual({
    trial_number: 7,
    archive_format: "tar.gz",
    extracted_path: "epoch-3",
    files: listed.map(({ path, size }) => ({ path: path.slice("epoch-3/".length), size })),
    total_size: 7 + 7 + 0 + 9,
    created_at: expect.stringMatching(/^[0-9]{4}-.*Z$/),
    file_count: 4,
  });
});

test("the same paths and bytes make the same archive, whatever their times, order, modes and place", async () => {
  using root = temporaryRoot();
  const first = await pack(checkpoint(root.at("one/ckpt")), root.at("1.tar.gz"));
  const other = checkpoint(root.at("two/ckpt"), Object.keys(FILES).toReversed());
  chmodSync(join(other, "model.pt"), 0o600);
  utimesSync(join(other, "model.pt"), 5, 5);
  const second = await pack(other, root.at("2.tar.gz"));
  expect(second.bytes.equals(first.bytes)).toBe(true);
  // the header of gzip has a place for a time
  expect(first.bytes.subarray(4, 8)).toEqual(Buffer.alloc(4));
  expect((await pack(other, root.at("3.tar.gz"))).manifest).toEqual(second.manifest);
  writeFileSync(join(other, "model.pt"), "WEIGHTS");
  expect((await pack(other, root.at("4.tar.gz"))).bytes.equals(first.bytes)).toBe(false);
});

test("the time in the manifest is that of the newest file", async () => {
  using root = temporaryRoot();
  const source = checkpoint(root.at("c"));
  for (const [index, name] of Object.keys(FILES).entries()) utimesSync(join(source, name), 1000 * index, 1000 * index);
  expect((await pack(source, root.at("a.tar.gz"))).manifest.created_at).toBe(new Date(3_000_000).toISOString());
});

test("a link stays a link: its bytes are there once, also behind a linked directory", async () => {
  using root = temporaryRoot();
  const source = checkpoint(root.at("c"));
  symlinkSync("model.pt", join(source, "last.pt"));
  symlinkSync("sub", join(source, "again"));
  symlinkSync("nowhere", join(source, "dangling"));
  const { manifest, bytes } = await pack(source, root.at("a.tar.gz"));
  const listed = members(root.at("a.tar.gz"));
  expect(new Set(listed.map(({ path }) => path)).size).toBe(manifest.file_count);
  expect(listed).toHaveLength(manifest.file_count);
  expect(listed.filter(({ type }) => type === "l").map(({ path }) => path)).toEqual(["c/again", "c/dangling", "c/last.pt"]);
  expect(manifest.files.filter((file) => file.link)).toEqual([
    { path: "again", size: 0, link: "sub" },
    { path: "dangling", size: 0, link: "nowhere" },
    { path: "last.pt", size: 0, link: "model.pt" },
  ]);
  expect(manifest.total_size).toBe(23);
  expect(gunzipSync(bytes).toString("latin1").split("weights")).toHaveLength(2);
});

test("unpacked, it is the checkpoint again", async () => {
  using root = temporaryRoot();
  const source = checkpoint(root.at("c"));
  symlinkSync("sub/optimizer.bin", join(source, "o"));
  await pack(source, root.at("a.tar.gz"));
  mkdirSync(root.at("out"));
  expect(Bun.spawnSync(["tar", "-xzf", root.at("a.tar.gz"), "-C", root.at("out")]).exitCode).toBe(0);
  expect(Bun.spawnSync(["diff", "-r", "--no-dereference", source, root.at("out/c")]).stdout.toString()).toBe("");
  expect(lstatSync(root.at("out/c/run")).mode & 0o777).toBe(0o755);
});

test("the caller's files are as they were: after success, and after each failure", async () => {
  using root = temporaryRoot();
  const source = checkpoint(root.at("c"));
  const before = snapshot(source);
  await pack(source, root.at("a.tar.gz"));
  expect(snapshot(source)).toEqual(before);
  const earlier = readFileSync(root.at("a.tar.gz"));
  const failure = (to: string): Promise<unknown> => pack(source, to).catch((error: unknown) => error);
  expect(await failure(root.at("none/a.tar.gz"))).toMatchObject({ code: "STORE_UNUSABLE" });
  symlinkSync("/etc/hostname", join(source, "out"));
  expect(await failure(root.at("b.tar.gz"))).toMatchObject({
    code: "UNREADABLE",
    message: expect.stringContaining("link out of the directory"),
  });
  expect([existsSync(root.at("b.tar.gz")), readFileSync(root.at("a.tar.gz")).equals(earlier)]).toEqual([false, true]);
  expect(snapshot(source).filter((line) => !line.startsWith("out "))).toEqual(before);
});

test("what is left out is in neither, an empty directory is told", async () => {
  using root = temporaryRoot();
  const source = checkpoint(root.at("c"));
  mkdirSync(join(source, "empty/inner"), { recursive: true });
  chmodSync(join(source, "sub"), 0o700);
  const { manifest, problems } = await pack(source, root.at("a.tar.gz"), (path) => path === "model.pt");
  expect(manifest.files.map(({ path }) => path)).toEqual(["run", "sub/deep/ä b.txt", "sub/optimizer.bin"]);
  expect([manifest.file_count, manifest.total_size]).toEqual([3, 16]);
  expect(problems).toEqual([{ path: "empty/inner", why: "it is an empty directory, and the archive holds files", failed: false }]);
});

test("one file is a checkpoint too, and so is an empty directory", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("model.pt"), "w");
  const one: CheckpointManifest = (await pack(root.at("model.pt"), root.at("1.tar.gz"))).manifest;
  expect([one.extracted_path, one.files, members(root.at("1.tar.gz"))[0]?.path]).toEqual([
    "model.pt",
    [{ path: "model.pt", size: 1 }],
    "model.pt/model.pt",
  ]);
  mkdirSync(root.at("empty"));
  const none = await pack(root.at("empty"), root.at("2.tar.gz"));
  expect([none.manifest.file_count, none.manifest.total_size, gunzipSync(none.bytes).length]).toEqual([0, 0, 1024]);
});

test("a file that somebody goes on writing to is an error, and no archive", async () => {
  using root = temporaryRoot();
  const source = checkpoint(root.at("c"));
  const path = join(source, "model.pt");
  // many chunks, between which the timer has its turn
  writeFileSync(path, Buffer.alloc(2 ** 25));
  const writing = setInterval(() => appendFileSync(path, "more"), 1);
  try {
    expect(await pack(source, root.at("a.tar.gz")).catch((error: unknown) => error)).toMatchObject({
      code: "UNREADABLE",
      message: expect.stringContaining("model.pt keeps changing"),
    });
  } finally {
    clearInterval(writing);
  }
  expect(existsSync(root.at("a.tar.gz"))).toBe(false);
});
