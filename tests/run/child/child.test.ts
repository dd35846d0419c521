import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { liveness, self } from "../../../src/domain/process-identity.ts";
import type { Who } from "../../../src/domain/process-identity.ts";
import { bash, endOf, scratch, wrap } from "../wrapped.ts";

const ENDS: [line: string, code: number, signal: string | null][] = [
  ["exit 0", 0, null],
  ["exit 7", 7, null],
  ["exit 255", 255, null],
  ["kill -KILL $$", 137, "SIGKILL"],
  ["kill -TERM $$", 143, "SIGTERM"],
  ["kill -SEGV $$", 139, "SIGSEGV"],
  ["kill -PIPE $$", 141, "SIGPIPE"],
  ["kill -64 $$", 192, "SIGRTMIN+30"],
];

test.each(ENDS)("the end of “%s” is told as it was", async (line, code, signal) => {
  using directory = scratch();
  expect((await wrap({ directory: directory.path }, "sh", "-c", line)).code).toBe(code);
  const { end } = endOf(directory.path);
  expect(end).toMatchObject({ code, signal, exitCode: signal === null ? code : null });
  expect(end.endedAt).toBeGreaterThanOrEqual(end.startedAt);
});

test("the resources of the child and of what it waited for are counted", async () => {
  using directory = scratch();
  await wrap({ directory: directory.path }, "sh", "-c", `python3 -c "x = bytearray(200_000_000); sum(range(3_000_000))"; true`);
  const { end } = endOf(directory.path);
  expect(end.maxRssBytes).toBeGreaterThan(190_000_000);
  expect(end.maxRssBytes).toBeLessThan(400_000_000);
  expect(end.cpuUserMs).toBeGreaterThan(10);
});

test("the child is named well enough for a lease", async () => {
  using directory = scratch();
  await wrap({ directory: directory.path }, "sleep", "0.05");
  expect(liveness(endOf(directory.path).who as Who, self())).toBe("dead");
});

test("arguments that are not UTF-8 pass unchanged", async () => {
  using directory = scratch();
  const { out } = await bash(`"$@" printf '%s|' plain $'caf\\xe9 \\'x\\'.txt' $'end\\xff\\n' '' \\$HOME 5 6 7 8 9 ten`, {
    directory: directory.path,
  });
  expect(out.toString("latin1")).toBe("plain|caf\xe9 'x'.txt|end\xff\n||$HOME|5|6|7|8|9|ten|");
});

test("an environment that is not UTF-8 passes unchanged, with what is added", async () => {
  using directory = scratch();
  const { out } = await bash(`export ODD=$'a\\xe9\\xffb'; "$@" sh -c 'printf "%s|%s|%s" "$ODD" "$COFFER_RUN_ID" "$ADDED"'`, {
    directory: directory.path,
    extraEnv: { ADDED: "x = y" },
  });
  expect(out.toString("latin1")).toBe(`a\xe9\xffb|run-of-${directory.path}|x = y`);
});

test("variables with names that a shell would drop reach the child", async () => {
  using directory = scratch();
  const { out } = await bash(`exec env 'odd.name=1' 'BASH_FUNC_f%%=() { :; }' nohup "$@" env`, { directory: directory.path });
  expect(out.toString()).toContain("\nodd.name=1\n");
  expect(out.toString()).toContain("BASH_FUNC_f%%=() { :; }");
});

test("descriptors that the caller opened are open in the child, at the same numbers", async () => {
  using directory = scratch();
  const { out, code } = await bash(
    `exec 7<<<seven; "$@" sh -c 'cat "$1" - <&7; ls /proc/self/fd | sort -n | tr "\\n" " "' sh <(echo substituted)`,
    { directory: directory.path },
  );
  expect(code).toBe(0);
  expect(out.toString()).toMatch(/^substituted\nseven\n0 1 2 3 7 63 $/);
});

test("coffer reads nothing of the input that follows its command", async () => {
  using directory = scratch();
  const { out } = await bash(`printf 'one\\ntwo\\n' | { "$@" true; cat; }`, { directory: directory.path });
  expect(out.toString()).toBe("one\ntwo\n");
});

test("a script without a first line runs in sh, as a shell would run it", async () => {
  using directory = scratch();
  writeFileSync(directory.at("script"), 'echo "$0 $1"; exit 4\n', { mode: 0o755 });
  const { code, out } = await wrap({ directory: directory.path }, directory.at("script"), "word");
  expect([code, out]).toEqual([4, `${directory.at("script")} word\n`]);
});

test("a binary for another machine is not executable", async () => {
  using directory = scratch();
  writeFileSync(directory.at("garbage"), "\x7fELF\0\0\0garbage", { mode: 0o755 });
  expect((await wrap({ directory: directory.path }, directory.at("garbage"))).code).toBe(126);
});

test("a command that is not there gives 127", async () => {
  using directory = scratch();
  expect((await wrap({ directory: directory.path }, "no-such-command-anywhere")).code).toBe(127);
});
