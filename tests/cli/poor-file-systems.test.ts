import { expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { withFailing } from "../support/failing-calls.ts";
import type { Failing } from "../support/failing-calls.ts";
import { binary, cleanEnvironment } from "../support/coffer.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

const linux = process.platform === "linux" ? test : test.skip;

/** Calls coffer where some calls fail, as they would on a file system that lacks something. */
function where(here: Place, failing: Failing[], args: string[]): { code: number | null; out: string; err: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...withFailing(...failing), binary(), ...args], {
    cwd: here.path,
    env: { ...cleanEnvironment(), COFFER_ROOT: here.root },
    stderr: "pipe",
  });
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
}

linux("without hard links and shared memory a store does all that it does elsewhere", () => {
  using here = place();
  here.write("model.bin", "weights\n");
  const coffer = (...args: string[]): string => {
    const { code, out, err } = where(here, ["link", "shared-memory"], args);
    expect([args, code, err.includes("rror")]).toEqual([args, 0, false]);
    return out;
  };
  const fill = "mkdir $COFFER_WORKSPACE/d; for i in $(seq 60); do echo $i >$COFFER_WORKSPACE/d/$i; done; echo one >$COFFER_WORKSPACE/one";
  coffer("run", "--policy", "scratch", "--register", "one=one", "--", "sh", "-c", fill);
  coffer("log", "model.bin", "--name", "model", "--type", "model");
  here.write("model.bin", "weights of tomorrow\n");
  coffer("log", "model.bin", "--name", "model", "--type", "model");
  expect(readFileSync(coffer("get", "model@v1").trim(), "utf8")).toBe("weights\n");
  coffer("get", "model@v1", "-o", here.at("old.bin"));
  coffer("gc", "--max-versions", "1", "--grace", "0", "--apply");
  rmSync(join(here.root, "binaries", here.binaries().find((name) => name.includes("model_")) as string));
  coffer("verify", "--repair", "--from", here.path);
  coffer("verify");
  coffer("backup", here.at("copy"), "--with-bytes");
  coffer("rebuild", "--force");
  expect(readFileSync(coffer("get", "model").trim(), "utf8")).toBe("weights of tomorrow\n");
  coffer("verify");
  // what it was made with, it keeps
  expect([readFileSync(join(here.root, "coffer.db"))[18], existsSync(join(here.root, "coffer.db-wal"))]).toEqual([1, false]);
});
