import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { binary, cleanEnvironment } from "../support/coffer.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

/** A line of bash in which `coffer` is the binary, with its exit codes as a terminal's user would see them. */
async function bash(here: Place, line: string): Promise<{ code: number; out: Buffer; err: string }> {
  const shell = Bun.spawn(["bash", "-c", `coffer() { "${binary()}" "$@"; }; ${line}`], {
    cwd: here.path,
    env: { ...cleanEnvironment(), COFFER_ROOT: here.root },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([shell.stdout.bytes(), shell.stderr.text()]);
  return { code: await shell.exited, out: Buffer.from(out), err };
}

test("every byte of stdin, stdout and stderr passes unchanged, and the logs hold the same", async () => {
  using here = place();
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7919) % 256));
  writeFileSync(here.at("bytes"), bytes);
  const { code, out, err } = await bash(here, "coffer run --quiet -- sh -c 'cat; printf \"\\377\\000err\" >&2' <bytes 2>err");
  expect([code, out.equals(bytes), err]).toEqual([0, true, ""]);
  expect(readFileSync(here.at("err"))).toEqual(Buffer.from([0xff, 0x00, 0x65, 0x72, 0x72]));
  const run = await here.shown();
  const log = (await here.coffer(["get", `${run.id}/stdout.log`])).stdout.trim();
  expect(readFileSync(log).equals(bytes)).toBe(true);
});

test("stdout and stderr that are one file keep their order, in the output and in the log", async () => {
  using here = place();
  const { out } = await bash(here, "coffer run --quiet -- sh -c 'for i in 1 2 3; do echo o$i; echo e$i >&2; done' 2>&1");
  expect(out.toString()).toBe("o1\ne1\no2\ne2\no3\ne3\n");
  expect(await here.bytes(`${(await here.shown()).id}/output.log`)).toBe("o1\ne1\no2\ne2\no3\ne3\n");
});

test("what goes to /dev/null or to a file is in the log all the same", async () => {
  using here = place();
  const { code } = await bash(here, "coffer run --quiet -- sh -c 'echo to null; echo to file >&2' >/dev/null 2>file");
  expect([code, readFileSync(here.at("file"), "utf8")]).toEqual([0, "to file\n"]);
  const run = await here.shown();
  expect([await here.bytes(`${run.id}/stdout.log`), await here.bytes(`${run.id}/stderr.log`)]).toEqual(["to null\n", "to file\n"]);
});

test("in a pipeline the run ends as its command would: with a reader that leaves, and before one that stays", async () => {
  using here = place();
  const gone = await bash(here, "coffer run --quiet -- yes | head -n 1; echo ${PIPESTATUS[0]}");
  expect(gone.out.toString()).toBe("y\n141\n");
  expect((await here.shown()).signal).toBe("SIGPIPE");
  const stays = await bash(here, "coffer run --quiet -- sh -c 'echo a; echo b' | tee copy; echo ${PIPESTATUS[0]}");
  expect([stays.out.toString(), readFileSync(here.at("copy"), "utf8")]).toEqual(["a\nb\n0\n", "a\nb\n"]);
});

test("the exit code is the command's, also where nobody reads what coffer says or prints", async () => {
  using here = place();
  const { out } = await bash(
    here,
    `coffer run -- sh -c 'sleep 0.1; exit 3' 2>&1 | true; echo \${PIPESTATUS[0]}
     coffer run -- sh -c 'sleep 0.1; exit 4' 2>&1 >/dev/null | true; echo \${PIPESTATUS[0]}
     coffer run --json -- sh -c 'sleep 0.1; exit 5' 2>/dev/null | true; echo \${PIPESTATUS[0]}
     coffer run -- sh -c 'exit 6' 2>/dev/full; echo $?
     coffer run --json -- sh -c 'exit 7' 2>/dev/null >/dev/full; echo $?
     coffer run -- sh -c 'exit 8' 2>&-; echo $?
     coffer run -- sh -c 'exit 9' >&- 2>&- <&-; echo $?`,
  );
  expect(out.toString().trim().split("\n")).toEqual(["3", "4", "5", "6", "7", "8", "9"]);
  expect((await here.runs()).map(({ exit_code }) => exit_code)).toEqual([9, 8, 7, 6, 5, 4, 3]);
  expect((await here.coffer(["verify"])).code).toBe(0);
});

test("a line of output is seen while the command still runs", async () => {
  using here = place();
  const { out } = await bash(
    here,
    "coffer run --quiet -- sh -c 'echo first; while [ ! -e seen ]; do sleep 0.01; done; echo second' | while read line; do echo \"got $line\"; touch seen; done",
  );
  expect(out.toString()).toBe("got first\ngot second\n");
});

test("a loop in a script loses none of its input to coffer", async () => {
  using here = place();
  const { out } = await bash(here, "printf '1\\n2\\n3\\n' | while read line; do coffer run --quiet -- echo $line; done");
  expect(out.toString()).toBe("1\n2\n3\n");
});

test("descriptors and arguments that are not UTF-8 reach the command", async () => {
  using here = place();
  const { out } = await bash(here, `coffer run --quiet -- sh -c 'cat <&5; printf %s "$1"' sh $'caf\\xe9' 5< <(echo five)`);
  expect(out).toEqual(Buffer.from("five\ncaf\xe9", "latin1"));
});

test("a flag of the command that coffer has too is the command's", async () => {
  using here = place();
  const { out } = await bash(here, "coffer run --quiet -- echo --help --json --root x -- --quiet");
  expect(out.toString()).toBe("--help --json --root x -- --quiet\n");
});
