import { expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { withFailing } from "../support/failing-calls.ts";
import { place } from "./run-place.ts";

const linux = process.platform === "linux" ? test : test.skip;

linux("without hard links and shared memory a store does all that it does elsewhere", async () => {
  using here = place();
  here.write("model.bin", "weights\n");
  const coffer = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await here.coffer(args, { before: withFailing("link", "shared-memory") });
    expect([args, code, stderr.includes("rror")]).toEqual([args, 0, false]);
    return stdout;
  };
  const fill = "mkdir $COFFER_WORKSPACE/d; for i in $(seq 60); do echo $i >$COFFER_WORKSPACE/d/$i; done; echo one >$COFFER_WORKSPACE/one";
  await coffer("run", "--policy", "scratch", "--register", "one=one", "--", "sh", "-c", fill);
  await coffer("log", "model.bin", "--name", "model", "--type", "model");
  here.write("model.bin", "weights of tomorrow\n");
  await coffer("log", "model.bin", "--name", "model", "--type", "model");
  expect(readFileSync((await coffer("get", "model@v1")).trim(), "utf8")).toBe("weights\n");
  await coffer("get", "model@v1", "-o", here.at("old.bin"));
  await coffer("gc", "--max-versions", "1", "--grace", "0", "--apply");
  rmSync(join(here.root, "binaries", here.binaries().find((name) => name.includes("model_")) as string));
  await coffer("verify", "--repair", "--from", here.path);
  await coffer("verify");
  await coffer("backup", here.at("copy"), "--with-bytes");
  await coffer("rebuild", "--force");
  expect(readFileSync((await coffer("get", "model")).trim(), "utf8")).toBe("weights of tomorrow\n");
  await coffer("verify");
  // what it was made with, it keeps
  expect([readFileSync(join(here.root, "coffer.db"))[18], existsSync(join(here.root, "coffer.db-wal"))]).toEqual([1, false]);
});
