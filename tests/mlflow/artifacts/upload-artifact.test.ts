import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { destinationOf } from "../../../src/mlflow/artifacts/destination.ts";
import type { Destination } from "../../../src/mlflow/artifacts/destination.ts";
import { downloadArtifact } from "../../../src/mlflow/artifacts/download-artifact.ts";
import { listArtifacts } from "../../../src/mlflow/artifacts/list-artifacts.ts";
import type { Connection } from "../../../src/mlflow/http/connection.ts";
import type { RetryNotice } from "../../../src/mlflow/http/retry-settings.ts";
import { uploadArtifact } from "../../../src/mlflow/artifacts/upload-artifact.ts";
import { mlflow, needsMlflow } from "../../support/mlflow.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import type { Fault } from "../../support/faulty-proxy.ts";
import { fileSource, packedSource } from "../../support/file-source.ts";
import { connectQuickly, newRun } from "../../support/quick-connection.ts";

const live = needsMlflow(test);
const noise = new Uint8Array(3_000_001).map((_, index) => (index * 7919) >> 3);

async function proxiedRun(connection: Connection): Promise<{ id: string; destination: Destination & { kind: "proxied" }; disk: string }> {
  const run = await newRun(connection);
  const destination = destinationOf(connection, run.artifactUri);
  if (destination.kind !== "proxied") throw new Error("not the proxied server");
  return { id: run.id, destination, disk: join(mlflow.proxied.artifacts, destination.path) };
}

/** The same place, reached at another address. */
function through(uri: string, destination: Destination & { kind: "proxied" }): Destination & { kind: "proxied" } {
  return { ...destination, url: destination.url.replace(mlflow.proxied.uri, uri) };
}

async function read(connection: Connection, runId: string, path: string): Promise<Buffer> {
  let chunks: Uint8Array[] = [];
  await downloadArtifact(connection, runId, path, { start: () => (chunks = []), take: (chunk) => void chunks.push(chunk) });
  return Buffer.concat(chunks);
}

live("a large, a middling, a small, an empty and a packed file lie where they were sent, with their sizes, and come back", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  using root = temporaryRoot();
  const { id, destination, disk } = await proxiedRun(connection);
  const progress: number[] = [];
  const large = Buffer.concat(Array.from({ length: 6 }, () => noise));
  await uploadArtifact(connection, destination, "a/large.bin", fileSource(root.at("large"), large), (bytes) => progress.push(bytes));
  const unseen: number[] = [];
  await uploadArtifact(connection, destination, "a/middling.bin", fileSource(root.at("middling"), noise), (bytes) => unseen.push(bytes));
  await uploadArtifact(connection, destination, "a/b/small é.txt", fileSource(root.at("small"), "small"));
  await uploadArtifact(connection, destination, "empty", fileSource(root.at("empty"), ""));
  await uploadArtifact(connection, destination, "packed", packedSource(root.at("pack"), "before", "inside", "after"));
  expect(await listArtifacts(connection, id)).toEqual(
    new Map([
      ["a/large.bin", large.length],
      ["a/middling.bin", noise.length],
      ["a/b/small é.txt", 5],
      ["empty", 0],
      ["packed", 6],
    ]),
  );
  expect(await listArtifacts(connection, id, (directory) => directory !== "a/b")).not.toContainKey("a/b/small é.txt");
  expect(progress.at(-1)).toBe(large.length);
  expect(progress.length).toBeGreaterThan(5);
  // the kernel sends it, and tells nothing on the way
  expect(unseen).toEqual([noise.length]);
  expect(Buffer.compare(await read(connection, id, "a/large.bin"), large)).toBe(0);
  expect(Buffer.compare(await read(connection, id, "a/middling.bin"), noise)).toBe(0);
  expect((await read(connection, id, "packed")).toString()).toBe("inside");
  expect((await read(connection, id, "empty")).length).toBe(0);
  expect(readFileSync(join(disk, "a/b/small é.txt"), "utf8")).toBe("small");
});

const accidents: [what: string, fault: Fault][] = [
  ["reset before it", { reset: "before" }],
  ["cut in the middle of the body", { resetAfter: 1_000_000 }],
  ["reset before the answer", { reset: "answer" }],
  ["turned away for the moment", { answer: "503 Busy" }],
];
for (const [what, fault] of accidents)
  live(`an upload that is ${what} is sent again, and whole`, async () => {
    const direct = connectQuickly(mlflow.proxied.uri);
    const { id, destination } = await proxiedRun(direct);
    await using proxy = await faultyProxy(mlflow.proxied.uri, (request, nth) =>
      request.startsWith("PUT") && nth === 1 ? fault : undefined,
    );
    const notices: RetryNotice[] = [];
    const connection = connectQuickly(proxy.uri, { onRetry: (notice) => notices.push(notice) });
    using root = temporaryRoot();
    await uploadArtifact(connection, through(proxy.uri, destination), "f.bin", fileSource(root.at("f"), noise));
    expect(notices.map(({ what, repetition }) => [what, repetition])).toEqual([["PUT f.bin", 1]]);
    expect(Buffer.compare(await read(direct, id, "f.bin"), noise)).toBe(0);
  });

live("a download that is cut begins anew", async () => {
  const direct = connectQuickly(mlflow.proxied.uri);
  using root = temporaryRoot();
  const { id, destination } = await proxiedRun(direct);
  await uploadArtifact(direct, destination, "f.bin", fileSource(root.at("f"), noise));
  await using proxy = await faultyProxy(mlflow.proxied.uri, (_, nth) => (nth === 1 ? { cutAnswerAfter: 500_000 } : undefined));
  expect(Buffer.compare(await read(connectQuickly(proxy.uri), id, "f.bin"), noise)).toBe(0);
  expect(proxy.requests).toEqual(["GET /get-artifact", "GET /get-artifact"]);
});

live("a server that serves no artifacts is told at once", async () => {
  await using proxy = await faultyProxy(mlflow.shared.uri, () => undefined);
  const connection = connectQuickly(proxy.uri);
  using root = temporaryRoot();
  const destination = destinationOf(connection, "mlflow-artifacts:/0/x/artifacts") as Destination & { kind: "proxied" };
  const error: unknown = await uploadArtifact(connection, destination, "f", fileSource(root.at("f"), "x")).catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: "SERVER_REFUSED", status: 503, hint: expect.stringContaining("--no-serve-artifacts") });
  expect(proxy.requests).toHaveLength(1);
});

live("a redirect of an upload is refused: nothing empty is left anywhere", async () => {
  const direct = connectQuickly(mlflow.proxied.uri);
  const { destination, disk } = await proxiedRun(direct);
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => ({ answer: `307 Temporary Redirect\r\nLocation: ${destination.url}/f` }));
  const connection = connectQuickly(proxy.uri);
  using root = temporaryRoot();
  const error: unknown = await uploadArtifact(connection, through(proxy.uri, destination), "f", fileSource(root.at("f"), noise)).catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: "SERVER_REFUSED", status: 307 });
  expect(existsSync(join(disk, "f"))).toBe(false);
});

live("a source that is shorter than it says is our own fault: named so, not repeated, and nothing short is stored", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  using root = temporaryRoot();
  const { destination, disk } = await proxiedRun(connection);
  for (const size of [noise.length, 1000]) {
    const source = fileSource(root.at(`f${size}`), noise.subarray(0, size), 0o644);
    truncateSync(root.at(`f${size}`), size - 10);
    let opened = 0;
    const counting = { ...source, open: () => (opened++, source.open()) };
    expect(await uploadArtifact(connection, destination, `f${size}`, counting).catch((error: unknown) => error)).toMatchObject({
      code: "CORRUPT",
    });
    expect(opened).toBe(1);
    expect(existsSync(join(disk, `f${size}`))).toBe(false);
  }
});

live("no descriptor stays open, however an upload ends", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  using root = temporaryRoot();
  const { destination } = await proxiedRun(connection);
  const source = fileSource(root.at("f"), noise);
  const ours = (): number => readdirSync("/proc/self/fd").filter((fd) => linkOf(fd) === source.path).length;
  await uploadArtifact(connection, destination, "f", source);
  await using proxy = await faultyProxy(mlflow.proxied.uri, () => ({ answer: "413 Content Too Large" }));
  await uploadArtifact(connection, through(proxy.uri, destination), "f", source).catch(() => {});
  await uploadArtifact(connection, through("http://127.0.0.1:1", destination), "f", source).catch(() => {});
  expect(ours()).toBe(0);
});

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}
