import { afterEach, expect, test } from "bun:test";
import { liveness, of, procStat, self } from "../../src/domain/process-identity.ts";
import type { Who } from "../../src/domain/process-identity.ts";

afterEach(() => {
  delete process.env["COFFER_HOST_ID"];
});

test("this process and a running child are alive", async () => {
  const me = self();
  expect(me.pid).toBe(process.pid);
  expect(liveness(me, me)).toBe("alive");
  const child = Bun.spawn(["sleep", "30"]);
  const who = of(child.pid) as Who;
  expect(liveness(who, me)).toBe("alive");
  child.kill("SIGKILL");
  await child.exited;
  expect(liveness(who, me)).toBe("dead");
  expect(of(child.pid)).toBeUndefined();
});

test("a reused pid is another process: its start time differs", () => {
  const me = self();
  expect(liveness({ ...me, start: String(BigInt(me.start) - 1n) }, me)).toBe("dead");
});

test("a zombie is dead, though it answers to signals", async () => {
  const parent = Bun.spawn(
    ["python3", "-c", "import os, time\npid = os.fork()\nif pid == 0: os._exit(0)\nprint(pid, flush=True)\ntime.sleep(30)"],
    { stdout: "pipe" },
  );
  const first = await parent.stdout.getReader().read();
  const pid = Number(new TextDecoder().decode(first.value).trim());
  while (procStat(pid)?.state !== "Z") await Bun.sleep(2);
  const me = self();
  const who = of(pid) as Who;
  expect(() => process.kill(pid, 0)).not.toThrow();
  expect(liveness(who, me)).toBe("dead");
  parent.kill("SIGKILL");
  await parent.exited;
});

test("a process of another user is alive", () => {
  expect(liveness(of(1) as Who, self())).toBe("alive");
});

const FIRST = { pidns: "pid:[4026531836]", machine: ["card"] };
const GONE = 0x7fff_fff0;

test("what another host or namespace says is judged without a look at its pid", () => {
  const me = self();
  expect(liveness({ ...me, host: "elsewhere", boot: "b" }, me)).toBe("unknown");
  expect(liveness({ ...me, pidns: "pid:[1]" }, me)).toBe("unknown");
});

test("after a restart a process is dead where it is certain that the machine is the same one, and no container of it", () => {
  const me = { ...self(), ...FIRST };
  const before = { ...me, pid: GONE, boot: "before" };
  expect(liveness(before, me)).toBe("dead");
  expect(liveness({ ...before, machine: ["dock", "card"] }, { ...me, machine: ["card", "usb"] })).toBe("dead");
  // equal names, a copy of the machine, a container, what was written without marks
  expect(liveness({ ...before, machine: [] }, { ...me, machine: [] })).toBe("unknown");
  expect(liveness({ ...before, machine: ["another"] }, me)).toBe("unknown");
  expect(liveness({ ...before, pidns: "pid:[1]" }, me)).toBe("unknown");
  expect(liveness(before, { ...me, pidns: "pid:[1]" })).toBe("unknown");
  const { machine: _machine, ...older } = before;
  expect(liveness(older, me)).toBe("unknown");
});

test("a process that is seen here lives, whatever the boot is called", () => {
  const me = { ...self(), ...FIRST };
  expect(liveness({ ...me, boot: "of a container" }, me)).toBe("alive");
  expect(liveness({ ...me, boot: "of a container", start: "1" }, me)).toBe("dead");
  expect(liveness({ ...me, boot: "of a container", start: "1", timens: "time:[1]" }, me)).toBe("unknown");
  expect(liveness({ ...me, boot: "of a container" }, { ...me, host: "another" })).toBe("unknown");
});

test("a copy of a machine that went on with its boot says nothing", () => {
  const me = { ...self(), machine: ["card"] };
  expect(liveness({ ...me, pid: GONE }, me)).toBe("dead");
  expect(liveness({ ...me, pid: GONE, machine: ["another"] }, me)).toBe("unknown");
});

test("in another time namespace the same process has another start: then only that it is gone is certain", () => {
  const me = self();
  const elsewhere = { ...me, timens: "time:[1]", start: String(BigInt(me.start) + 100_000n) };
  expect(liveness(elsewhere, me)).toBe("unknown");
  expect(liveness({ ...elsewhere, pid: GONE }, me)).toBe("dead");
});

test("COFFER_HOST_ID tells a container's former life from one beside it", () => {
  process.env["COFFER_HOST_ID"] = "trainer-1";
  const me = self();
  expect(me.host).toBe("id:trainer-1");
  const init = BigInt((procStat(1) as { start: string }).start);
  expect(liveness({ ...me, pidns: "pid:[1]", start: String(init - 1n) }, me)).toBe("dead");
  expect(liveness({ ...me, pidns: "pid:[1]", start: String(init + 1n) }, me)).toBe("unknown");
  expect(liveness({ ...me, pidns: "pid:[1]", timens: "time:[1]", start: String(init - 1n) }, me)).toBe("unknown");
  expect(liveness({ ...me, pid: GONE, boot: "before", pidns: "pid:[1]" }, me)).toBe("dead");
  delete process.env["COFFER_HOST_ID"];
  expect(self().host).not.toBe("id:trainer-1");
});

test("a name with blanks and parentheses does not confuse the reading of /proc", async () => {
  const child = Bun.spawn(
    ["python3", "-c", "import time; open('/proc/self/comm','w').write('a) Z (b'); print('x', flush=True); time.sleep(30)"],
    { stdout: "pipe" },
  );
  await child.stdout.getReader().read();
  expect(procStat(child.pid)?.parent).toBe(process.pid);
  child.kill("SIGKILL");
  await child.exited;
});
