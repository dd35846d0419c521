import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { appears, says } from "../../support/appears.ts";
import { dies, endOf, isAlive, scratch, wrapped } from "../wrapped.ts";
import type { WrapOptions } from "../wrap.ts";

/** Starts the wrapper around a line of sh, and waits until that line has written the file `ready`. */
async function started(options: WrapOptions, line: string): Promise<Bun.Subprocess> {
  const wrapper = Bun.spawn(wrapped(options, "sh", "-c", `cd ${options.directory}; ${line}`), { stdio: ["ignore", "ignore", "ignore"] });
  await says(`${options.directory}/ready`);
  return wrapper;
}

const WAIT = "echo $$ > ready; while :; do sleep 0.01; done";

test.each(["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGINT", "SIGQUIT"] as const)(
  "%s reaches the child, whose own answer counts",
  async (signal) => {
    using directory = scratch();
    const wrapper = await started({ directory: directory.path }, `trap 'exit 33' ${signal.slice(3)}; ${WAIT}`);
    wrapper.kill(signal);
    expect(await wrapper.exited).toBe(33);
    expect(endOf(directory.path).received).toBe(signal.startsWith("SIGUSR") ? null : signal);
  },
);

test("SIGTERM twice at once, as timeout sends it, is one", async () => {
  using directory = scratch();
  const wrapper = await started({ directory: directory.path }, `trap 'echo saved > saved; exit 0' TERM; ${WAIT}`);
  wrapper.kill("SIGTERM");
  wrapper.kill("SIGTERM");
  expect(await wrapper.exited).toBe(0);
  expect(existsSync(directory.at("saved"))).toBe(true);
});

const DAEMON = "setsid sh -c 'echo $$ > daemon; exec sleep 300' & while [ ! -s daemon ]; do sleep 0.01; done";

test("a second SIGTERM after more than a second ends every process of the run", async () => {
  using directory = scratch();
  const wrapper = await started({ directory: directory.path, drainMs: 100 }, `trap '' TERM; ${DAEMON}; ${WAIT}`);
  wrapper.kill("SIGTERM");
  await Bun.sleep(1100);
  expect(isAlive(wrapper.pid)).toBe(true);
  wrapper.kill("SIGTERM");
  expect(await wrapper.exited).toBe(137);
  await dies(Number(readFileSync(directory.at("daemon"), "utf8")));
});

test("the grace after SIGTERM ends every process of the run, those of a nested run too", async () => {
  using directory = scratch();
  const inner = `env COFFER_RUN_ID=inner sh -c 'echo $$ > nested; exec sleep 300' & while [ ! -s nested ]; do sleep 0.01; done`;
  const wrapper = await started({ directory: directory.path, graceMs: 50 }, `trap '' TERM; ${inner}; ${DAEMON}; ${WAIT}`);
  wrapper.kill("SIGTERM");
  expect(await wrapper.exited).toBe(137);
  await dies(Number(readFileSync(directory.at("daemon"), "utf8")));
  await dies(Number(readFileSync(directory.at("nested"), "utf8")));
});

test("a signal that was ignored at start stays ignored, by coffer and by the child", async () => {
  using directory = scratch();
  const [, ...rest] = wrapped(
    { directory: directory.path },
    "sh",
    "-c",
    `cd ${directory.path}; grep SigIgn /proc/self/status > ignored; echo $$ > ready; while [ ! -e go ]; do sleep 0.01; done; exit 5`,
  );
  const wrapper = Bun.spawn(["sh", "-c", `trap '' HUP TERM; exec "$@"`, "sh", process.execPath, ...rest], {
    stdio: ["ignore", "ignore", "ignore"],
  });
  await says(directory.at("ready"));
  wrapper.kill("SIGHUP");
  wrapper.kill("SIGTERM");
  await Bun.sleep(50);
  await Bun.write(directory.at("go"), "");
  expect(await wrapper.exited).toBe(5);
  expect(readFileSync(directory.at("ignored"), "utf8")).toBe("SigIgn:\t0000000000004001\n");
});

test("what posix_spawn of the C library ignores is none of the command's signals", async () => {
  using directory = scratch();
  const line =
    "import os, sys; pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ); sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))";
  const command = wrapped({ directory: directory.path }, "sh", "-c", "exit 7");
  const spawner = Bun.spawn(["python3", "-c", line, ...command], { stdio: ["ignore", "ignore", "pipe"] });
  expect([await spawner.exited, await spawner.stderr.text()]).toEqual([7, ""]);
});

test("Ctrl-C in a terminal reaches the child once, and coffer stays for its end", async () => {
  using directory = scratch();
  const line = `cd ${directory.path}; trap 'echo x >> caught; [ $(wc -l < caught) -gt 0 ] && sleep 0.2 && exit 9' INT; ${WAIT}`;
  const wrapper = Bun.spawn(wrapped({ directory: directory.path }, "sh", "-c", line), { terminal: { cols: 80, rows: 24, data() {} } });
  await says(directory.at("ready"));
  wrapper.terminal?.write("\x03");
  expect(await wrapper.exited).toBe(9);
  expect(readFileSync(directory.at("caught"), "utf8")).toBe("x\n");
  expect(endOf(directory.path).received).toBe("SIGINT");
});

test("a signal that comes after the child's end asks coffer to settle and leave", async () => {
  using directory = scratch();
  const wrapper = Bun.spawn(wrapped({ directory: directory.path, linger: 60_000 }, "sh", "-c", "exit 6"), {
    stdio: ["ignore", "ignore", "ignore"],
  });
  await appears(directory.at("lingering"), wrapper);
  wrapper.kill("SIGTERM");
  expect(await wrapper.exited).toBe(6);
  expect(endOf(directory.path).received).toBe("SIGTERM");
});
