import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { digestPath } from "../../../src/store/digest-path.ts";
import { walk } from "../../../src/store/ingest/walk.ts";
import { openTestStore } from "../../support/store.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { keep } from "../keep.ts";

const all = () => false;

test("files, links inside, empty directories and directories with modes of their own are found", () => {
  using root = temporaryRoot();
  mkdirSync(root.at("d/plain"), { recursive: true });
  mkdirSync(root.at("d/empty"));
  mkdirSync(root.at("d/closed"));
  for (const name of ["a", "plain/b", "closed/c"]) writeFileSync(root.at("d", name), name);
  chmodSync(root.at("d/plain"), 0o755);
  chmodSync(root.at("d/empty"), 0o755);
  chmodSync(root.at("d/closed"), 0o700);
  symlinkSync("../a", root.at("d/plain/link"));
  symlinkSync("missing", root.at("d/dangling"));
  const { files, others, problems } = walk(root.at("d"), all);
  expect(files.toSorted()).toEqual(["a", "closed/c", "plain/b"]);
  expect(others.toSorted((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
    { kind: "directory", path: "closed", mode: 0o700 },
    { kind: "link", path: "dangling", target: "missing" },
    { kind: "directory", path: "empty", mode: 0o755 },
    { kind: "link", path: "plain/link", target: "../a" },
  ]);
  expect(problems).toEqual([]);
});

test("links that lead out are refused and listed, also those that lead out through other links", () => {
  using root = temporaryRoot();
  mkdirSync(root.at("d/a/b"), { recursive: true });
  writeFileSync(root.at("secret"), "secret");
  symlinkSync("/etc/passwd", root.at("d/absolute"));
  symlinkSync("../secret", root.at("d/up"));
  symlinkSync("../../../secret", root.at("d/a/b/far-up"));
  symlinkSync("../../..", root.at("d/a/b/directory-up"));
  // each of them stays inside when it is read as text
  symlinkSync("../..", root.at("d/a/b/top"));
  symlinkSync("a/b/top/../secret", root.at("d/through"));
  const { files, others, problems } = walk(root.at("d"), all);
  expect(problems.map(({ path, failed }) => [path, failed]).toSorted()).toEqual([
    ["a/b/directory-up", true],
    ["a/b/far-up", true],
    ["absolute", true],
    ["through", true],
    ["up", true],
  ]);
  expect([files, others.filter(({ kind }) => kind === "link").map(({ path }) => path)]).toEqual([[], ["a/b/top"]]);
});

test("a link that leads nowhere now, and would lead out by way of another one, is refused", () => {
  using root = temporaryRoot();
  mkdirSync(root.at("d/p"), { recursive: true });
  symlinkSync("..", root.at("d/p/q"));
  symlinkSync("p/q/../not-there-yet", root.at("d/esc"));
  const { others, problems } = walk(root.at("d"), () => false);
  expect(others.map(({ path }) => path)).toEqual(["p/q"]);
  expect(problems).toEqual([{ path: "esc", why: expect.stringContaining("out of the directory"), failed: true }]);
});

test("a directory below its own link is not walked for ever", () => {
  using root = temporaryRoot();
  mkdirSync(root.at("d/a"), { recursive: true });
  symlinkSync("..", root.at("d/a/loop"));
  symlinkSync("self", root.at("d/self"));
  const { others, problems } = walk(root.at("d"), all);
  expect([others.map(({ path }) => path).toSorted(), problems]).toEqual([["a/loop", "self"], []]);
});

test("FIFOs and sockets are left out and listed, and do not stop anything", () => {
  using root = temporaryRoot();
  mkdirSync(root.at("d"));
  expect(Bun.spawnSync(["mkfifo", root.at("d/fifo")]).exitCode).toBe(0);
  using _server = Bun.listen({ unix: root.at("d/socket"), socket: { data: () => undefined } });
  writeFileSync(root.at("d/file"), "");
  const { files, problems } = walk(root.at("d"), all);
  expect(files).toEqual(["file"]);
  expect(problems.map(({ path, failed }) => [path, failed]).toSorted()).toEqual([
    ["fifo", false],
    ["socket", false],
  ]);
});

test("names with line breaks and odd characters are kept; names and links that are not UTF-8 are listed", () => {
  using root = temporaryRoot();
  mkdirSync(root.at("d"));
  const odd = ["new\nline", " blank ", "-dash", '"quote"', "\x1b[31m", "\ufffd", "模型", "e\u0301"];
  for (const name of odd) writeFileSync(root.at("d", name), name);
  const raw = (name: string) => Buffer.concat([Buffer.from(root.at("d/")), Buffer.from(name, "latin1")]);
  writeFileSync(raw("caf\xe9"), "latin");
  mkdirSync(raw("dir\xff"));
  symlinkSync(Buffer.from("caf\xe9", "latin1"), root.at("d/link"));
  const { files, problems } = walk(root.at("d"), all);
  expect(files.toSorted()).toEqual(odd.toSorted());
  expect(problems.map(({ path, failed }) => [path, failed]).toSorted()).toEqual([
    ["caf\ufffd", true],
    ["dir\ufffd", true],
    ["link", true],
  ]);
});

test("what is ignored is not looked at", () => {
  using root = temporaryRoot();
  mkdirSync(root.at("d/skip/deep"), { recursive: true });
  symlinkSync("/etc", root.at("d/skip/deep/out"));
  writeFileSync(root.at("d/a.pyc"), "");
  writeFileSync(root.at("d/a.py"), "");
  const asked: string[] = [];
  const found = walk(root.at("d"), (path) => {
    asked.push(path);
    return path === "skip" || path.endsWith(".pyc");
  });
  expect([found, asked.toSorted()]).toEqual([{ files: ["a.py"], others: [], problems: [] }, ["a.py", "a.pyc", "skip"]]);
});

test("a directory that is not there is an error with what to do", () => {
  using root = temporaryRoot();
  expect(() => walk(root.at("gone"), all)).toThrow(expect.objectContaining({ code: "UNREADABLE" }));
});

test("the digest of a path is the one that it gets when it is kept", async () => {
  using test = await openTestStore();
  using root = temporaryRoot();
  mkdirSync(root.at("d/sub"), { recursive: true });
  for (let i = 0; i < 40; i++) writeFileSync(root.at("d", i % 2 ? "sub" : ".", `${i}`), `file ${i}`);
  chmodSync(root.at("d/sub"), 0o750);
  symlinkSync("0", root.at("d/link"));
  writeFileSync(root.at("f"), "a file");
  const { result } = await keep(test, [{ source: root.at("d"), kind: "tree" }, { source: root.at("f") }]);
  for (const [index, name] of ["d", "f"].entries()) {
    const { hex, size } = await digestPath(root.at(name));
    expect([`blake3:${hex}`, size]).toEqual([result[index]?.digest as string, result[index]?.size as number]);
  }
});
