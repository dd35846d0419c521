import { expect, test } from "bun:test";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawnCoffer } from "../support/coffer.ts";
import { holdDatabase } from "../support/hold-database.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

/** A store that has a file, and whose commands wait for a second. */
async function impatientPlace(): Promise<Place> {
  const here = place();
  writeFileSync(here.at("coffer.yaml"), "artifact_store: {busy_timeout: 1s}");
  here.write("f", "bytes");
  await here.coffer(["log", "f", "--name", "kept"]);
  return here;
}

/** What a process says on stderr, until it has said `words`. */
async function heard(child: Bun.Subprocess<"ignore" | Uint8Array, "pipe", "pipe">, words: string): Promise<string> {
  let text = "";
  for await (const chunk of child.stderr as ReadableStream<Uint8Array>) {
    text += new TextDecoder().decode(chunk);
    if (text.includes(words)) return text;
  }
  throw new Error(`it never said “${words}”, but “${text}”`);
}

test("who writes waits in words, and fails with what to do; who reads does not wait, whatever dead processes left", async () => {
  using here = await impatientPlace();
  // a wrapper that is killed leaves a run to be adopted
  expect((await here.run("kill -KILL $PPID")).signal).toBe("SIGKILL");
  await using holder = await holdDatabase(here.root);
  for (const args of [["ls"], ["runs"], ["show", "kept"], ["stats"], ["lineage", "kept"]]) {
    const read = await here.coffer(args);
    expect([args, read.code, read.stderr]).toEqual([args, 0, ""]);
  }
  const writer = await here.coffer(["log", "f", "--name", "kept"]);
  expect([writer.code, writer.stdout]).toEqual([1, ""]);
  expect(writer.stderr).toMatch(
    new RegExp(
      `^coffer: warning: waiting for the database: process ${holder.pid} \\(.*\\) is writing to it; gives up after 1 s\ncoffer: error: .* still busy`,
    ),
  );
  expect(writer.stderr).toContain(`hint: wait until process ${holder.pid} is done, or end it`);
  expect(writer.stderr).not.toContain("SQLITE");
  const told = JSON.parse((await here.coffer(["pin", "kept", "--json"])).stderr.trim().split("\n").at(-1) as string) as object;
  expect(told).toMatchObject({ code: "STORE_BUSY", exit: 1 });
  await holder.letGo();
  expect((await here.coffer(["log", "f", "--name", "kept"])).code).toBe(0);
});

test("a process that is stopped while it writes is named, with what makes it go on; nobody waits longer than was said", async () => {
  using here = await impatientPlace();
  writeFileSync(here.at("coffer.yaml"), "artifact_store: {busy_timeout: 2s}");
  await using holder = await holdDatabase(here.root);
  holder.kill("SIGSTOP");
  const { code, stderr } = await here.coffer(["log", "f"]);
  expect([code, stderr]).toEqual([1, expect.stringContaining(`let it go on with kill -CONT ${holder.pid}`)]);
  expect(stderr).toContain("still busy after 2.0 s");
});

test("a run that finds the database busy at its end keeps its exit code, and is recorded by a later command as it ended", async () => {
  using here = await impatientPlace();
  const run = spawnCoffer(["run", "--", "sh", "-c", "echo out >$COFFER_WORKSPACE/o; while [ ! -e go ]; do sleep 0.02; done; exit 7"], {
    cwd: here.path,
    env: { COFFER_ROOT: here.root },
  });
  const spoken = run.stderr.text();
  while ((await here.runs()).length < 2) await Bun.sleep(5);
  await using holder = await holdDatabase(here.root);
  writeFileSync(here.at("go"), "");
  await run.exited;
  expect([run.exitCode, await spoken]).toEqual([7, expect.stringContaining("the next coffer command will record how the run ended")]);
  expect(await spoken).not.toContain("SQLITE");
  await holder.letGo();
  await here.coffer(["log", "--metric", "a=1"]);
  const { id, state, exit_code: code } = await here.shown((await here.runs()).find((one) => one.kind === "wrapped")?.id);
  expect([state, code, existsSync(join(here.root, "work/runs", id, "o"))]).toEqual(["failed", 7, true]);
});

test("a command that cannot be used without the store does not begin: 125", async () => {
  using here = await impatientPlace();
  await using holder = await holdDatabase(here.root);
  const { code, stderr } = await here.run("touch began");
  expect([code, existsSync(here.at("began")), stderr]).toEqual([125, false, expect.stringContaining(`process ${holder.pid}`)]);
});

test.each(["SIGINT", "SIGTERM"] as const)("%s ends a wait at once, and nothing is done", async (signal) => {
  using here = await impatientPlace();
  writeFileSync(here.at("coffer.yaml"), "artifact_store: {busy_timeout: 10m}");
  await here.coffer(["rm", "kept"]);
  await using holder = await holdDatabase(here.root);
  const gc = spawnCoffer(["gc", "--apply", "--grace", "0"], { cwd: here.path, env: { COFFER_ROOT: here.root } });
  await heard(gc, "waiting for the database");
  gc.kill(signal);
  await gc.exited;
  expect(gc.signalCode).toBe(signal);
  await holder.letGo();
  expect((await here.coffer(["restore", "kept"])).code).toBe(0);
});
