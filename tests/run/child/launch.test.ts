import { expect, test } from "bun:test";
import { planLaunch } from "../../../src/run/child/launch.ts";
import type { LaunchRequest } from "../../../src/run/child/launch.ts";

const plain: LaunchRequest = {
  command: ["python", "train.py"],
  extraEnv: { COFFER_RUN_ID: "r", COFFER_STEP: undefined },
  env: { HOME: "/h", COFFER_STEP: "outer", GONE: undefined },
  ignored: [],
  rawArguments: new Map(),
  rawEnvironment: false,
  envIgnoresSignals: true,
};

test("an ordinary command starts as it is, with variables set and removed", () => {
  expect(planLaunch(plain)).toEqual({ argv: ["python", "train.py"], env: { HOME: "/h", COFFER_RUN_ID: "r" } });
});

test("an environment that is not UTF-8 is inherited, and env adds to it", () => {
  expect(planLaunch({ ...plain, rawEnvironment: true })).toEqual({
    argv: ["/usr/bin/env", "-u", "COFFER_STEP", "COFFER_RUN_ID=r", "python", "train.py"],
    env: undefined,
  });
});

test("a program with = in its name is no variable to env", () => {
  expect(planLaunch({ ...plain, rawEnvironment: true, command: ["./a=b"] }).argv.slice(-5)).toEqual([
    "/bin/sh",
    "-c",
    'exec "$@"',
    "sh",
    "./a=b",
  ]);
});

const LAUNCHERS: [what: string, envIgnoresSignals: boolean][] = [
  ["env", true],
  ["sh", false],
];

test.each(LAUNCHERS)("signals stay ignored through %s", (_, envIgnoresSignals) => {
  const { argv, env } = planLaunch({ ...plain, command: ["grep", "SigIgn", "/proc/self/status"], ignored: [1, 3], envIgnoresSignals });
  const { stdout } = Bun.spawnSync(argv, { env: { PATH: process.env["PATH"], ...env } });
  expect(stdout.toString()).toBe("SigIgn:\t0000000000000005\n");
});

test.each(LAUNCHERS)("raw bytes and ignored signals go together through %s", (_, envIgnoresSignals) => {
  const command = ["sh", "-c", 'printf "%s|" "$@"; grep SigIgn /proc/self/status', "sh", "a b", "caf\uFFFD", "$x"];
  const { argv } = planLaunch({
    ...plain,
    command,
    ignored: [1],
    envIgnoresSignals,
    rawEnvironment: true,
    rawArguments: new Map([[5, Buffer.from("caf\xe9", "latin1")]]),
  });
  expect(Bun.spawnSync(argv).stdout.toString("latin1")).toBe("a b|caf\xe9|$x|SigIgn:\t0000000000000001\n");
});
