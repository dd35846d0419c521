import { Database } from "bun:sqlite";
import {
  appendFileSync,
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { binary, cleanEnvironment, coffer } from "../support/coffer.ts";
import { asOrdinaryUser, giveToEverybody } from "../support/mount.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

/** What lies below a directory: kind, permission bits and bytes of everything, by name. */
function contentOf(directory: string): Record<string, string> {
  const content: Record<string, string> = {};
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const mode = (lstatSync(path).mode & 0o777).toString(8);
    content[path.slice(directory.length + 1)] = entry.isFile()
      ? `${mode} ${readFileSync(path, "latin1")}`
      : entry.isSymbolicLink()
        ? `-> ${readlinkSync(path)}`
        : `${mode}/`;
  }
  return content;
}

/** Files of the store that hold a word. */
function keptWith(root: string, word: string): string[] {
  if (!existsSync(join(root, "binaries"))) return [];
  const files = readdirSync(join(root, "binaries"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name)).filter((path) => readFileSync(path).includes(word));
}

const run = (root: string, script: string, ...flags: string[]) =>
  coffer(["run", "--json", "--sync", "never", ...flags, "--", "sh", "-c", script], { root });

test("names of every kind come back as they were, and no name reaches a terminal as anything but text", async () => {
  using root = temporaryRoot();
  const names = [
    "n".repeat(255),
    "new\nline",
    "tab\tname",
    "esc\x1b[31mred\x1b]0;title\x07",
    "\x9b31m",
    "\u202egnp.exe",
    "é",
    "e\u0301",
    "Case",
    "case",
    " blank ",
    "-dash",
    "--json",
    "quo'te\"s",
    "back\\slash",
    "*",
    "%2e%2e",
    "\u2028",
    "🦊",
    ".hidden",
    "a@v1",
    "blake3:abcd",
  ];
  const source = root.at("source");
  mkdirSync(source);
  for (const name of names) writeFileSync(join(source, name), `of ${name}`);
  const deep = Array.from({ length: 15 }, (_, nth) => `${nth}`.padEnd(240, "d")).join("/");
  mkdirSync(join(source, "deep", deep), { recursive: true });
  writeFileSync(join(source, "deep", deep, "f"), "deep");
  const { stdout, code, stderr } = await run(root.at("store"), `cp -r '${source}/.' "$COFFER_WORKSPACE/"`);
  expect([code, stderr]).toEqual([0, expect.stringContaining(`${names.length + 1} outputs`)]);
  const runId = (JSON.parse(stdout) as { id: string }).id;
  const logged = await coffer(["log", source, "--name", "tree"], { root: root.at("store") });
  expect(logged.code).toBe(0);
  const back = await coffer(["get", "tree", "-o", root.at("back")], { root: root.at("store") });
  expect([back.code, contentOf(root.at("back"))]).toEqual([0, contentOf(source)]);
  for (const name of names) {
    const out = root.at("one");
    const got = await coffer(["get", `${runId}/${name}`, "-o", out], { root: root.at("store") });
    expect([name, got.code, got.stderr.replace(/.*wrote.*\n/, "").includes("error"), existsSync(out) && readFileSync(out, "utf8")]).toEqual(
      [name, 0, false, `of ${name}`],
    );
    rmSync(out);
  }
  for (const args of [
    ["ls"],
    ["ls", "--run", runId],
    ["show", runId],
    ["lineage", "tree"],
    ["diff", runId, runId],
    ["stats"],
    ["gc"],
    ["verify"],
    ["runs"],
    ["rm", runId],
    ["show", runId],
    ["get", `${runId}/esc\x1b[31m`],
    ["alias", "\x1b[31m", "x\x1b"],
  ]) {
    const { stdout, stderr } = await coffer(args, { root: root.at("store") });
    expect([args[0], /[\x00-\x08\x0b-\x1f\x7f-\x9f]/.test(stdout + stderr), /internal error/.test(stderr)]).toEqual([
      args[0],
      false,
      false,
    ]);
  }
}, 120_000);

test("what is no file is left out and named, and neither blocks nor leads outside; the child's code stands", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("outside"), "OUTSIDE");
  mkdirSync(root.at("far"));
  writeFileSync(root.at("far/secret"), "OUTSIDE");
  const script = [
    'cd "$COFFER_WORKSPACE"; mkfifo fifo params.json metrics.json; mkfifo manifest.yaml; mkdir d e; mkfifo d/fifo',
    `ln -s '${root.at("outside")}' out; ln -s '${root.at("far")}' far; ln -s '${root.at("far")}' d/far; ln -s nowhere dangling; ln -s loop loop; ln -s ../d d/self; ln -s /dev/zero zero`,
    `mknod null c 1 3 2>/dev/null; mknod d/disk b 7 0 2>/dev/null; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")' 2>/dev/null`,
    "echo ok >ok; ln ok twin; : >empty; exit 3",
  ].join("\n");
  for (const policy of ["separated", "scratch"]) {
    const { code, stderr } = await run(root.at(policy), script, "--policy", policy, "--keep-failed");
    expect([code, /internal error/.test(stderr)]).toEqual([3, false]);
    expect(keptWith(root.at(policy), "OUTSIDE")).toEqual([]);
    expect(stderr).toContain("fifo");
    expect((await coffer(["verify"], { root: root.at(policy) })).code).toBe(0);
  }
  expect(readFileSync(root.at("outside"), "utf8") + readFileSync(root.at("far/secret"), "utf8")).toBe("OUTSIDEOUTSIDE");
}, 60_000);

test("a workspace that becomes a link while the child runs is not followed, and nothing behind it is kept or removed", async () => {
  using root = temporaryRoot();
  mkdirSync(root.at("victim"));
  writeFileSync(root.at("victim/precious"), "PRECIOUS");
  for (const policy of ["separated", "scratch"]) {
    const { code, stderr } = await run(
      root.at(policy),
      `rm -rf "$COFFER_WORKSPACE" && ln -s '${root.at("victim")}' "$COFFER_WORKSPACE"`,
      "--policy",
      policy,
    );
    expect([code, /internal error/.test(stderr)]).toEqual([0, false]);
    await coffer(["gc", "--apply", "--grace", "0", "--workspaces-days", "0"], { root: root.at(policy) });
    expect(readdirSync(root.at("victim"))).toEqual(["precious"]);
    expect(keptWith(root.at(policy), "PRECIOUS")).toEqual([]);
  }
});

test("a store whose root is a link, and whose directories were moved to another disk and linked, is one", async () => {
  using root = temporaryRoot();
  mkdirSync(root.at("real"));
  symlinkSync(root.at("real"), root.at("store"));
  writeFileSync(root.at("f"), "first");
  expect((await coffer(["log", root.at("f"), "--name", "f"], { root: root.at("store") })).code).toBe(0);
  renameSync(root.at("real/binaries"), root.at("elsewhere"));
  symlinkSync(root.at("elsewhere"), root.at("real/binaries"));
  writeFileSync(root.at("f"), "second");
  const again = await coffer(["log", root.at("f"), "--name", "f"], { root: root.at("store") });
  expect([again.code, /internal error/.test(again.stderr)]).toEqual([0, false]);
  for (const [ref, bytes] of [
    ["f@v1", "first"],
    ["f@v2", "second"],
  ] as const) {
    expect((await coffer(["get", ref, "-o", root.at("back")], { root: root.at("store") })).code).toBe(0);
    expect(readFileSync(root.at("back"), "utf8")).toBe(bytes);
    rmSync(root.at("back"));
  }
  expect((await coffer(["verify"], { root: root.at("store") })).code).toBe(0);
});

test("files with odd times, hard links and nothing in them come back, and a sparse one costs no more than its zeros", async () => {
  using root = temporaryRoot();
  const source = root.at("source");
  mkdirSync(join(source, "empty/nested"), { recursive: true });
  for (const [name, time] of [
    ["past", -1e9],
    ["future", 4e9],
    ["far", 1e11],
    ["zero", 0],
  ] as const) {
    writeFileSync(join(source, name), name);
    utimesSync(join(source, name), time, time);
  }
  writeFileSync(join(source, "nothing"), "");
  linkSync(join(source, "past"), join(source, "linked"));
  expect((await coffer(["log", source, "--name", "t"], { root: root.at("store") })).code).toBe(0);
  expect((await coffer(["get", "t", "-o", root.at("back")], { root: root.at("store") })).code).toBe(0);
  expect(contentOf(root.at("back"))).toEqual(contentOf(source));
  writeFileSync(root.at("sparse"), "begin");
  truncateSync(root.at("sparse"), 1 << 28);
  const child = Bun.spawn([binary(), "log", root.at("sparse"), "--name", "sparse"], {
    env: { ...cleanEnvironment(), COFFER_ROOT: root.at("store") },
    stdout: "ignore",
    stderr: "pipe",
  });
  expect([await child.exited, await child.stderr.text()]).toEqual([0, expect.stringContaining("256 MiB")]);
  expect(child.resourceUsage()?.maxRSS).toBeLessThan(300_000_000);
  const got = await coffer(["get", "sparse"], { root: root.at("store") });
  expect(statSync(got.stdout.trim()).size).toBe(1 << 28);
}, 60_000);

test("fifty thousand files in one directory are kept in bounded memory, and listed", async () => {
  using root = temporaryRoot();
  const count = Number(process.env["COFFER_TEST_FILES"] ?? 50_000);
  mkdirSync(root.at("many"));
  for (let nth = 0; nth < count; nth++) closeSync(openSync(root.at("many", `${nth}`), "w"));
  const fd = openSync(root.at("many/0"), "w");
  writeSync(fd, "not empty");
  closeSync(fd);
  const child = Bun.spawn([binary(), "log", root.at("many"), "--name", "many"], {
    env: { ...cleanEnvironment(), COFFER_ROOT: root.at("store") },
    stdout: "ignore",
    stderr: "pipe",
  });
  expect([await child.exited, await child.stderr.text()]).toEqual([0, expect.stringContaining("kept")]);
  const usage = child.resourceUsage();
  if (count > 100_000) console.error(`${count} files: ${usage?.maxRSS} bytes, ${usage?.cpuTime.total} µs`);
  expect(usage?.maxRSS).toBeLessThan(250_000_000 + count * 1500);
  using db = new Database(root.at("store/coffer.db"), { readonly: true });
  expect(db.query("SELECT files FROM artifacts").get()).toEqual({ files: count });
}, 600_000);

const user = asOrdinaryUser();

(user ? test : test.skip)("what an ordinary user may not read is named, and the rest is kept", async () => {
  using root = temporaryRoot();
  chmodSync(root.path, 0o755);
  giveToEverybody(root.at("store"));
  mkdirSync(root.at("d/closed"), { recursive: true });
  for (const name of ["open", "unreadable", "closed/inside"]) writeFileSync(root.at("d", name), name);
  chmodSync(root.at("d/unreadable"), 0);
  chmodSync(root.at("d/closed"), 0o644);
  const script = `cp -r '${root.at("d")}/open' "$COFFER_WORKSPACE/"; cd "$COFFER_WORKSPACE"; echo x >hidden; chmod 0 hidden; mkdir shut; echo y >shut/f; chmod 0600 shut`;
  const options = { before: user ?? [], root: root.at("store"), cwd: root.path, env: { HOME: root.at("store") } };
  const { code, stderr: said } = await coffer(["run", "--sync", "never", "--policy", "scratch", "--", "sh", "-c", script], options);
  expect([code, /internal error/.test(said)]).toEqual([0, false]);
  expect(said).toContain("hidden");
  expect(said).toContain("shut");
  // scratch: what could not be kept is still there
  const [run] = readdirSync(root.at("store/work/runs"));
  expect(readdirSync(root.at("store/work/runs", run as string))).toContain("hidden");
  for (const name of ["unreadable", "closed"]) {
    const log = await coffer(["log", root.at("d", name)], { ...options, cwd: "/" });
    expect([log.code, log.stderr.includes("hint:"), log.stderr.includes("internal error")]).toEqual([1, true, false]);
  }
});

test("files that grow, shrink, are replaced and vanish while they are read never end a run, and what is kept is whole", async () => {
  using root = temporaryRoot();
  const script = [
    'cd "$COFFER_WORKSPACE"',
    "for n in 1 2 3 4; do head -c 3000000 /dev/zero >grows$n; echo s >swaps$n; echo v >vanishes$n; done",
    // goes on while coffer reads
    "(trap '' HUP TERM; for i in $(seq 150); do for n in 1 2 3 4; do echo more >>grows$n; echo $i >t && mv t swaps$n; rm -f vanishes$n; : >shrinks$n; done; done) >/dev/null 2>&1 &",
  ].join("\n");
  const { code, stderr } = await run(root.at("store"), script);
  expect([code, /internal error/.test(stderr)]).toEqual([0, false]);
  appendFileSync(root.at("done"), "");
  const verified = await coffer(["verify"], { root: root.at("store") });
  expect([verified.code, verified.stdout + verified.stderr]).toEqual([0, expect.not.stringContaining("damage:")]);
}, 60_000);

test("directories nested beyond what a path can hold cost no run, and stay", async () => {
  using root = temporaryRoot();
  const script = `cd "$COFFER_WORKSPACE"; echo ok >ok; n=$(printf '%0200d' 0); i=0; while [ $i -lt 30 ]; do mkdir $n && cd -P ./$n; i=$((i+1)); done; echo x >f`;
  const { code, stderr } = await run(root.at("store"), script, "--policy", "scratch");
  expect([code, /internal error/.test(stderr), stderr.includes("left out") || stderr.includes("stays")]).toEqual([0, false, true]);
  expect((await coffer(["verify"], { root: root.at("store") })).code).toBe(0);
  Bun.spawnSync(["rm", "-rf", root.at("store")]);
});
