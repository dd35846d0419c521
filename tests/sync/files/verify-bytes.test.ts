import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import type { RunRow } from "../../../src/db/records/runs.ts";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import { mlflow, needsMlflow } from "../../support/mlflow.ts";
import type { TestStore } from "../../support/store.ts";
import { deliveryOf, storeFor, sync, tellLater } from "../../support/told.ts";

const live = needsMlflow(test);

/** Where the server keeps a file of a run. */
function onDisk(kind: "proxied" | "shared", stored: TestStore, run: RunRow, path: string): string {
  const { remote_experiment, remote_run } = deliveryOf(stored, run);
  return join(mlflow[kind].artifacts, remote_experiment as string, remote_run as string, "artifacts", path);
}

for (const kind of ["proxied", "shared"] as const)
  live(`other bytes of the same size are found by reading back, and sent once more (${kind})`, async () => {
    using stored = await storeFor(mlflow[kind].uri);
    const { run } = await tellLater(stored, {
      artifacts: [
        { path: "a.bin", bytes: "right" },
        { path: "d", files: { "b.bin": "b".repeat(300_000), empty: "" } },
      ],
    });
    expect(await sync(stored, { verify: "bytes" })).toMatchObject({ synced: 1, runs: [{ verified: { files: 3, bytes: 300_005 } }] });
    const file = onDisk(kind, stored, run, "a.bin");
    rmSync(file);
    writeFileSync(file, "wrong");
    expect(await sync(stored, { check: true })).toMatchObject({ checked: 1, runs: [] });
    const report = await sync(stored, { verify: "bytes" });
    expect(report).toMatchObject({ checked: 1, synced: 1, left: 0, runs: [{ sent: { files: 1 }, verified: { files: 1, bytes: 5 } }] });
    expect(report.runs[0]?.notes).toEqual(["the server has other bytes in a.bin: sent again"]);
    expect(readFileSync(file, "utf8")).toBe("right");
    expect(await sync(stored, { verify: "bytes" })).toMatchObject({ checked: 1, left: 0, runs: [] });
  });

live(
  "a difference that was found is not forgotten by an interruption: the file is sent by the next sync, although its size agrees",
  async () => {
    let down = false;
    await using proxy = await faultyProxy(mlflow.proxied.uri, (request) =>
      down && request.startsWith("PUT") ? { answer: "503 Busy" } : undefined,
    );
    using stored = await storeFor(proxy.uri);
    const { run } = await tellLater(stored, { artifacts: [{ path: "a.bin", bytes: "right" }] });
    await sync(stored);
    const file = onDisk("proxied", stored, run, "a.bin");
    writeFileSync(file, "wrong");
    down = true;
    expect(await sync(stored, { verify: "bytes" })).toMatchObject({ left: 1 });
    expect(readFileSync(file, "utf8")).toBe("wrong");
    down = false;
    expect(await sync(stored)).toMatchObject({ synced: 1, runs: [{ sent: { files: 1 } }] });
    expect(readFileSync(file, "utf8")).toBe("right");
  },
);

live("a file that stays different is reported, and the run does not count as synced", async () => {
  // what is stored is another file each time, as behind a proxy that mangles bodies
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request) =>
    request.startsWith("PUT") ? { rewrite: (head) => head.replace(/right$/, "wrong") } : undefined,
  );
  using stored = await storeFor(proxy.uri);
  const { run } = await tellLater(stored, { artifacts: [{ path: "a.bin", bytes: "right" }] });
  const report = await sync(stored, { verify: "bytes" });
  expect(report).toMatchObject({ synced: 0, left: 1, runs: [{ state: "pending", error: { code: "INCOMPLETE" } }] });
  expect(report.runs[0]?.error?.message).toBe("the server has other bytes in a.bin");
  expect(deliveryOf(stored, run).state).toBe("pending");
});

live("an answer that is cut while a file is read back is asked for again", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request, nth) =>
    request.startsWith("GET") && request.endsWith("/a.bin") && nth === 1 ? { cutAnswerAfter: 60_000 } : undefined,
  );
  using stored = await storeFor(proxy.uri);
  await tellLater(stored, { artifacts: [{ path: "a.bin", bytes: "x".repeat(500_000) }] });
  expect(await sync(stored, { verify: "bytes" })).toMatchObject({ synced: 1, runs: [{ verified: { files: 1, bytes: 500_000 } }] });
  expect(proxy.requests.filter((request) => request.startsWith("GET") && request.endsWith("/a.bin"))).toHaveLength(2);
});
