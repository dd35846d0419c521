import { expect, test } from "bun:test";
import { existsSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { says } from "../../support/appears.ts";
import { bash, dies, endOf, scratch, wrap, wrapped } from "../wrapped.ts";

test.each([false, true])("stdout and stderr that go apart are kept apart, and repeated byte by byte (named pipe: %p)", async (fifo) => {
  using directory = scratch();
  const { out, err } = await wrap(
    { directory: directory.path, fifo },
    "sh",
    "-c",
    "printf 'a\\000b\\n'; printf 'odd \\351' >&2; echo more > /dev/stdout",
  );
  expect(out).toBe("a\0b\nmore\n");
  expect(readFileSync(directory.at("stdout.log"), "latin1")).toBe("a\0b\nmore\n");
  expect(readFileSync(directory.at("stderr.log"), "latin1")).toBe("odd \xe9");
  expect(err).toBe("odd \uFFFD");
  expect(endOf(directory.path).output).toEqual({
    logs: [
      { name: "stdout.log", path: directory.at("stdout.log"), bytes: 9, isOpen: false },
      { name: "stderr.log", path: directory.at("stderr.log"), bytes: 5, isOpen: false },
    ],
    notes: [],
  });
  expect(readdirSync(directory.path).filter((name) => name.startsWith(".pipe"))).toEqual([]);
});

test.each([false, true])("stdout and stderr that go to one place are one log in exact order (named pipe: %p)", async (fifo) => {
  using directory = scratch();
  const { out } = await bash(`"$@" sh -c 'for i in 1 2 3 4 5 6 7 8 9; do echo o$i; echo e$i >&2; done' 2>&1`, {
    directory: directory.path,
    fifo,
  });
  const expected = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `o${n}\ne${n}\n`).join("");
  expect(out.toString()).toBe(expected);
  expect(readFileSync(directory.at("output.log"), "utf8")).toBe(expected);
  expect(existsSync(directory.at("stdout.log"))).toBe(false);
});

test("much output arrives whole", async () => {
  using directory = scratch();
  const { out } = await bash(`"$@" seq 1 2000000 | cksum; seq 1 2000000 | cksum`, { directory: directory.path });
  const [through, direct] = out.toString().split("\n");
  expect(through).toBe(direct as string);
  expect(endOf(directory.path).output.logs[0]?.bytes).toBe(14_888_896);
});

test("when the reader goes away the child gets SIGPIPE, as it would without coffer", async () => {
  using directory = scratch();
  const { out } = await bash(`{ "$@" yes; echo $? >&2; } | head -1`, { directory: directory.path });
  expect(out.toString()).toBe("y\n");
  expect(endOf(directory.path).end.signal).toBe("SIGPIPE");
});

test("a child that does not heed SIGPIPE gets its error", async () => {
  using directory = scratch();
  await bash(`"$@" python3 -c 'while True: print("x" * 1000)' | head -1`, { directory: directory.path });
  expect(endOf(directory.path).end.code).toBe(1);
  expect(readFileSync(directory.at("stderr.log"), "utf8")).toContain("BrokenPipeError");
});

test("the child and its log outlive a coffer that is killed", async () => {
  using directory = scratch();
  const line = `cd ${directory.path}; echo before; while [ ! -e go ]; do sleep 0.01; done; echo after; echo last >&2; echo done > done`;
  const wrapper = Bun.spawn(wrapped({ directory: directory.path }, "sh", "-c", line), { stdio: ["ignore", "pipe", "pipe"] });
  await says(directory.at("stdout.log"));
  const child = Number(await says(directory.at("pid")));
  wrapper.kill("SIGKILL");
  await wrapper.exited;
  writeFileSync(directory.at("go"), "");
  await says(directory.at("done"));
  await dies(child);
  expect(await says(directory.at("stderr.log"))).toBe("last\n");
  while (readFileSync(directory.at("stdout.log"), "utf8") !== "before\nafter\n") await Bun.sleep(3);
});

test("a process that outlives the command does not hold coffer, and is told", async () => {
  using directory = scratch();
  const { code, out } = await wrap(
    { directory: directory.path, drainMs: 100 },
    "sh",
    "-c",
    `echo now; exec 2>&-; sleep 300 & echo $! > ${directory.at("daemon")}`,
  );
  process.kill(Number(readFileSync(directory.at("daemon"), "utf8")), "SIGKILL");
  expect([code, out]).toEqual([0, "now\n"]);
  const { logs, notes } = endOf(directory.path).output;
  expect(notes).toEqual(["a process that outlives the command still writes to stdout.log"]);
  expect(logs.map(({ name, isOpen }) => [name, isOpen])).toEqual([
    ["stdout.log", true],
    ["stderr.log", false],
  ]);
});

test("when the keeper of the log dies the child goes on and its output is shown", async () => {
  using directory = scratch();
  const line = `cd ${directory.path}; echo one; while [ ! -e go ]; do sleep 0.01; done; echo two; exit 3`;
  const wrapper = Bun.spawn(wrapped({ directory: directory.path }, "sh", "-c", line), { stdio: ["ignore", "pipe", "ignore"] });
  await says(directory.at("stdout.log"));
  const keepers = readFileSync(`/proc/${wrapper.pid}/task/${wrapper.pid}/children`, "latin1").trim().split(" ").map(Number);
  const keeper = keepers.find((pid) => readFileSync(`/proc/${pid}/comm`, "utf8") === "tee\n");
  process.kill(keeper as number, "SIGKILL");
  await dies(keeper as number);
  writeFileSync(directory.at("go"), "");
  expect(await wrapper.stdout.text()).toBe("one\ntwo\n");
  expect(await wrapper.exited).toBe(3);
  expect(endOf(directory.path).output.notes).toEqual(["stdout.log is incomplete: its writer was ended (exit code 137)"]);
});

test("all is shown when the log takes nothing more, from whatever byte on, and each log says what it lacks", async () => {
  using directory = scratch();
  const line = `seq 1 5000; echo "the end of out"; sleep 0.1; echo error >&2; seq 1 4000 >&2; echo "the end of err" >&2; exit 5`;
  const out = `${seq(5000)}the end of out\n`;
  const err = `error\n${seq(4000)}the end of err\n`;
  const apart = await bash(`ulimit -f 8; "$@" sh -c '${line}'`, { directory: directory.path });
  expect([apart.code, apart.out.toString(), apart.err]).toEqual([5, out, err]);
  expect(endOf(directory.path).output.notes).toEqual([
    "stdout.log is incomplete: the last 15.3 KiB of 23.3 KiB are missing (File too large)",
    "stderr.log is incomplete: the last 10.5 KiB of 18.5 KiB are missing (File too large)",
  ]);
  expect(readFileSync(directory.at("stdout.log"), "utf8")).toBe(out.slice(0, 8192));

  using full = scratch();
  symlinkSync("/dev/full", full.at("output.log"));
  const both = await bash(`"$@" sh -c 'echo first; echo second >&2' 2>&1`, { directory: full.path });
  expect(both.out.toString()).toBe("first\nsecond\n");
  expect(endOf(full.path).output.notes).toEqual(["output.log has nothing of the 13 B that were printed (No space left on device)"]);
});

test("where neither the log nor the user's file takes anything, the command is told", async () => {
  using directory = scratch();
  symlinkSync("/dev/full", directory.at("stdout.log"));
  await bash(`"$@" yes > /dev/full`, { directory: directory.path });
  expect(endOf(directory.path).end.signal).toBe("SIGPIPE");
});

test("a reader that is stuck holds up neither the child nor its signals", async () => {
  using directory = scratch();
  const line = `cd ${directory.path}; seq 1 100000; trap 'echo stopped > stopped; exit 4' TERM; echo $PPID > parent; mv parent ready; while :; do sleep 0.01; done`;
  const { command, release } = stuckReader();
  const wrapper = Bun.spawn([...command, ...wrapped({ directory: directory.path }, "sh", "-c", line)], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  await says(directory.at("ready"));
  process.kill(Number(readFileSync(directory.at("ready"), "utf8")), "SIGTERM");
  await says(directory.at("stopped"));
  release(wrapper);
  await wrapper.exited;
  expect(readFileSync(directory.at("stdout.log"), "utf8").length).toBe(588_895);
});

test("on a terminal the child has the terminal, and nothing is kept", async () => {
  using directory = scratch();
  const shown = await onTerminal({ directory: directory.path }, "sh", "-c", "test -t 0 && test -t 1 && test -t 2 && echo yes");
  expect(shown).toEqual({ code: 0, text: "yes\r\n" });
  expect(endOf(directory.path).output.logs).toEqual([]);
});

test("--capture on a terminal gives the child a pseudo-terminal of the same size, and keeps what it shows", async () => {
  using directory = scratch();
  const shown = await onTerminal(
    { directory: directory.path, capture: true },
    "sh",
    "-c",
    "test -t 0 && test -t 1 && stty size; echo err >&2; exit 3",
  );
  expect(shown).toEqual({ code: 3, text: "40 132\r\nerr\r\n" });
  expect(readFileSync(directory.at("output.log"), "utf8")).toBe("40 132\r\nerr\r\n");
});

test("--capture leaves the terminal as it was", async () => {
  using directory = scratch();
  const line = `stty -g; "$@" sh -c 'printf "a\\nb\\n"'; stty -g`;
  const { text } = await runOnTerminal(["bash", "-c", line, "bash", ...wrapped({ directory: directory.path, capture: true })]);
  const lines = text.split("\r\n");
  expect(lines.slice(1, 3)).toEqual(["a", "b"]);
  expect(lines[3]).toBe(lines[0] as string);
});

test("what is typed reaches the captured child, Ctrl-C too", async () => {
  using directory = scratch();
  const wrapper = Bun.spawn(
    wrapped(
      { directory: directory.path, capture: true },
      "sh",
      "-c",
      `trap "exit 42" INT; read line; echo "got $line" > ${directory.at("got")}; while :; do sleep 0.01; done`,
    ),
    { terminal: { data() {} } },
  );
  await says(directory.at("pid"));
  wrapper.terminal?.write("words\n");
  expect(await says(directory.at("got"))).toBe("got words\n");
  wrapper.terminal?.write("\x03");
  expect(await wrapper.exited).toBe(42);
});

test("--capture off a terminal is the tee", async () => {
  using directory = scratch();
  const { out } = await wrap({ directory: directory.path, capture: true }, "sh", "-c", "test -t 1 || echo no terminal");
  expect(out).toBe("no terminal\n");
  expect(readFileSync(directory.at("stdout.log"), "utf8")).toBe("no terminal\n");
});

test("only what leaves the terminal is kept without --capture", async () => {
  using directory = scratch();
  const options = { directory: directory.path };
  const line = `"$@" sh -c 'test -t 1 || echo file; test -t 2 && echo terminal >&2' > ${directory.at("shown")}`;
  const { text } = await runOnTerminal(["bash", "-c", line, "bash", ...wrapped(options)]);
  expect(text).toBe("terminal\r\n");
  expect(readFileSync(directory.at("shown"), "utf8")).toBe("file\n");
  expect(endOf(directory.path).output.logs.map(({ name, bytes }) => [name, bytes])).toEqual([["stdout.log", 5]]);
});

/** What `seq 1 last` prints. */
function seq(last: number): string {
  return Array.from({ length: last }, (_, index) => `${index + 1}\n`).join("");
}

function onTerminal(options: Parameters<typeof wrapped>[0], ...command: string[]): Promise<{ code: number; text: string }> {
  return runOnTerminal(wrapped(options, ...command));
}

async function runOnTerminal(command: string[]): Promise<{ code: number; text: string }> {
  const chunks: Uint8Array[] = [];
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const terminal = {
    cols: 132,
    rows: 40,
    data: (_: Bun.Terminal, chunk: Uint8Array) => void chunks.push(new Uint8Array(chunk)),
    exit: () => resolve(),
  };
  const code = await Bun.spawn(command, { terminal }).exited;
  await closed;
  return { code, text: Buffer.concat(chunks).toString() };
}

/** A command prefix whose output nobody reads, until `release` lets a reader take it all. */
function stuckReader(): { command: string[]; release: (process: Bun.Subprocess) => void } {
  const script = `exec 3>&1; "$@" | { trap 'cat >/dev/null; exit' USR1; while :; do sleep 0.02; done; }`;
  return { command: ["sh", "-c", script, "sh"], release: (process) => killReader(process.pid) };
}

function killReader(shell: number): void {
  for (const child of readFileSync(`/proc/${shell}/task/${shell}/children`, "latin1").trim().split(" "))
    if (readFileSync(`/proc/${child}/comm`, "utf8") === "sh\n") process.kill(Number(child), "SIGUSR1");
}
