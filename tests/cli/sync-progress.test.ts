import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { readPage } from "../docs/page.ts";
import { Shapes } from "../docs/shape.ts";
import { faultyProxy } from "../support/faulty-proxy.ts";
import { binary, cleanEnvironment, coffer, spawnCoffer } from "../support/coffer.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";

const live = needsMlflow(test);
const QUICK = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1", MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "0", MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: "0" };

async function logged(root: TemporaryRoot, files: Record<string, string | Uint8Array>): Promise<string> {
  for (const [name, bytes] of Object.entries(files)) writeFileSync(root.at(name), bytes);
  const result = await coffer(["log", ...Object.keys(files), "--metric", "a=1", "--json"], { root: root.at("store"), cwd: root.path });
  return result.json<{ run: string }>().run;
}

function options(root: TemporaryRoot, uri: string) {
  return { root: root.at("store"), cwd: root.path, env: { ...QUICK, MLFLOW_TRACKING_URI: uri } };
}

live("--events prints JSON Lines as the page on JSON says, and the document at last; figures of what was sent again are kept", async () => {
  using root = temporaryRoot();
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request, nth) =>
    request.endsWith("/flaky") && nth === 1 ? { answer: "503 Service Unavailable" } : undefined,
  );
  const run = await logged(root, { flaky: "f", steady: "s" });
  const result = await coffer(["sync-mlflow", "--events", "--quiet"], options(root, proxy.uri));
  expect([result.code, result.stderr]).toEqual([0, ""]);
  const all = result.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { schema: string; event?: string });
  const shapes = new Shapes(readPage("docs/json.md"));
  expect(all.flatMap((line) => shapes.check(line))).toEqual([]);
  // where the machine is slow, the upload is told of too
  const lines = all.filter(({ event }) => event !== "progress");
  expect(lines.map(({ schema, event }) => event ?? schema)).toEqual(["retry", "run", "coffer.sync/1"]);
  expect(lines[0]).toMatchObject({ message: expect.stringContaining("PUT flaky: 503") });
  expect(lines[1]).toMatchObject({ result: { run, state: "synced", retried: 1, sent: { files: 2 } } });
  expect(lines[2]).toMatchObject({ synced: 1, retried: 1 });

  const stats = await coffer(["stats", "--uploads", "--json"], { root: root.at("store") });
  expect(stats.json()).toMatchObject({ done: 2, failed: 0, retried: 1, bytes: 2, servers: [{ target: proxy.uri, runs: { synced: 1 } }] });
});

live("--json is one document beside a slow upload; with --events the upload is told of as it goes on", async () => {
  using root = temporaryRoot();
  await using slow = await slowServer(mlflow.proxied.uri, 400);
  await logged(root, { a: "1", b: "22", c: "333", d: "4444", e: "55555" });
  const result = await coffer(["sync-mlflow", "--events", "--json", "--jobs", "1"], options(root, slow.uri));
  expect(result.code).toBe(0);
  const lines = result.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const shapes = new Shapes(readPage("docs/json.md"));
  expect(lines.flatMap((line) => shapes.check(line as { schema: string }))).toEqual([]);
  const progress = lines.filter(({ event }) => event === "progress");
  expect(progress.length).toBeGreaterThan(0);
  for (const one of progress) expect(one).toMatchObject({ files: { of: 5 }, bytes: { of: 15 } });
});

live("no more uploads are under way at once than --jobs says", async () => {
  using root = temporaryRoot();
  await using slow = await slowServer(mlflow.proxied.uri, 50);
  await logged(root, Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`file-${index}`, "x".repeat(index)])));
  expect((await coffer(["sync-mlflow", "--jobs", "3"], options(root, slow.uri))).code).toBe(0);
  expect(slow.most()).toBe(3);
});

live("on a terminal one line is redrawn and goes away again", async () => {
  using root = temporaryRoot();
  await using slow = await slowServer(mlflow.proxied.uri, 250);
  const run = await logged(root, { a: "1", b: "22", c: "333", d: "4444" });
  let screen = "";
  const child = Bun.spawn([binary(), "sync-mlflow", "--jobs", "1"], {
    cwd: root.path,
    env: { ...cleanEnvironment(), ...QUICK, COFFER_ROOT: root.at("store"), MLFLOW_TRACKING_URI: slow.uri },
    terminal: { cols: 60, rows: 24, data: (_, bytes) => void (screen += Buffer.from(bytes).toString()) },
  });
  expect(await child.exited).toBe(0);
  child.terminal?.close();
  const drawn = screen.split("\r\x1b[K");
  expect(drawn.some((line) => /^\[[█·]{20}\] [0-4]\/4 files, .+ of 10 B/.test(line))).toBe(true);
  // a bar that is wider than the terminal could not be taken away
  for (const line of drawn.filter((part) => part.startsWith("["))) expect([...line].length).toBeLessThan(60);
  // what stands in the end is words
  expect(drawn.at(-1)).toContain(`coffer: run ${run} is synced`);
});

live("on a terminal the bar of a run that has ended is gone before its words come", async () => {
  using root = temporaryRoot();
  await using slow = await slowServer(mlflow.proxied.uri, 250);
  let screen = "";
  const child = Bun.spawn([binary(), "run", "--", "sh", "-c", 'cd "$COFFER_WORKSPACE"; for n in 1 2 3 4; do echo $n >$n; done'], {
    cwd: root.path,
    env: { ...cleanEnvironment(), ...QUICK, COFFER_ROOT: root.at("store"), MLFLOW_TRACKING_URI: slow.uri },
    terminal: { cols: 100, rows: 24, data: (_, bytes) => void (screen += Buffer.from(bytes).toString()) },
  });
  expect(await child.exited).toBe(0);
  child.terminal?.close();
  expect(screen).toMatch(/\[[█·]{20}\] [0-4]\/4 files/);
  expect(screen).toContain(`\r\x1b[Kcoffer: delivered to ${slow.uri}/#/experiments/`);
});

live(
  "where there is no terminal, a long delivery says now and then how far it is, and SIGTERM ends it with 143 and nothing lost",
  async () => {
    using root = temporaryRoot();
    await using proxy = await faultyProxy(mlflow.proxied.uri, (request) => (request.endsWith("/stuck") ? { stall: true } : undefined));
    const run = await logged(root, { stuck: "larger", fine: "f" });
    const child = spawnCoffer(["sync-mlflow", "--json"], options(root, proxy.uri));
    const quiet = child.stderr.text();
    while (!proxy.requests.some((request) => request.endsWith("/stuck"))) await Bun.sleep(10);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(143);
    expect(await quiet).not.toContain("files,");
    expect(JSON.parse(await child.stdout.text())).toMatchObject({ left: 1, runs: [{ run, state: "pending" }] });

    const plain = spawnCoffer(["sync-mlflow"], options(root, proxy.uri));
    let said = "";
    for await (const chunk of plain.stderr) {
      said += Buffer.from(chunk).toString();
      if (said.includes("files,")) plain.kill("SIGINT");
    }
    expect(await plain.exited).toBe(130);
    expect(said).toMatch(/^coffer: [01]\/[12] files, .+ of .+ B\b.*$/m);
    expect(said).not.toContain("\r");
  },
);

/** The server behind one that holds back each upload for a while, and counts how many there are at once. */
async function slowServer(target: string, holdMs: number): Promise<{ uri: string; most(): number } & AsyncDisposable> {
  let now = 0;
  let most = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    const isUpload = request.method === "PUT";
    if (isUpload) most = Math.max(most, ++now);
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (isUpload) await Bun.sleep(holdMs);
    const body = Buffer.concat(chunks);
    const headers = Object.entries(request.headers).flatMap(([name, value]) =>
      ["host", "connection", "content-length"].includes(name) || typeof value !== "string" ? [] : [[name, value] as [string, string]],
    );
    const answer = await fetch(target + request.url, {
      method: request.method ?? "GET",
      headers,
      ...(body.length > 0 || isUpload ? { body } : {}),
    });
    const text = Buffer.from(await answer.arrayBuffer());
    if (isUpload) now--;
    response.writeHead(answer.status, {
      "content-type": answer.headers.get("content-type") ?? "text/plain",
      "content-length": text.length,
    });
    response.end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    most: () => most,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
