import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { CofferError } from "../../src/domain/error.ts";
import { destinationOf } from "../../src/mlflow/artifacts/destination.ts";
import { downloadArtifact } from "../../src/mlflow/artifacts/download-artifact.ts";
import { listArtifacts, listTree } from "../../src/mlflow/artifacts/list-artifacts.ts";
import { elementsOf, StoreUnreachable, textOf } from "../../src/mlflow/artifacts/object-store.ts";
import { beginS3Parts, listS3 } from "../../src/mlflow/artifacts/s3-object.ts";
import type { S3Place } from "../../src/mlflow/artifacts/s3-object.ts";
import { beginProxiedParts, expiryOf, sizeInStorage } from "../../src/mlflow/artifacts/proxied-parts.ts";
import { uploadPresigned } from "../../src/mlflow/artifacts/presigned-upload.ts";
import type { Connection } from "../../src/mlflow/http/connection.ts";
import { readFailure } from "../../src/mlflow/http/refusal.ts";
import { ensureExperiment } from "../../src/mlflow/tracking/experiments.ts";
import { createModel, findModels, listModelFiles } from "../../src/mlflow/tracking/logged-models.ts";
import { readHistory, readMetricHistory } from "../../src/mlflow/tracking/metric-history.ts";
import { ensureRun, findTwins, getRun, newestRun } from "../../src/mlflow/tracking/runs.ts";
import { probeServer } from "../../src/mlflow/tracking/server-info.ts";
import { holds, holdsLater } from "../support/property.ts";
import { connectQuickly } from "../support/quick-connection.ts";

const ID = "0123456789abcdef0123456789abcdef";
const NEW_RUN = { experimentId: "5", cofferRunId: ID, name: "n", user: "u", startTime: 1, tags: [] };
const DEST = { kind: "proxied", url: "", path: "5/x", base: "" } as const;

function bucketAt(connection: Connection): S3Place {
  return {
    connection,
    stores: { tls: undefined, reached: new Set() },
    settings: { credentials: undefined, endpoint: connection.displayUri, region: "r", addressing: "path", always: {}, onObjects: {} },
    credentials: { accessKeyId: "A", secretAccessKey: "S", sessionToken: undefined },
    destination: { kind: "s3", bucket: "b", prefix: "p", uri: "s3://b/p" },
  };
}

/** Every verb that reads what a server says. */
function askEverything(connection: Connection): Promise<unknown>[] {
  const base = connection.displayUri;
  const s3 = bucketAt(connection);
  const model = { experimentId: "5", runId: ID, name: "m", type: "", params: [], tags: [] };
  return [
    ensureRun(connection, NEW_RUN),
    getRun(connection, ID).then(({ artifactUri }) => destinationOf(connection, artifactUri)),
    newestRun(connection, "5"),
    findTwins(connection, "5", { ...NEW_RUN, kept: ID }),
    ensureExperiment(connection, "e", true),
    probeServer(connection),
    findModels(connection, "5", ID),
    createModel(connection, model, async () => (await findModels(connection, "5", ID))?.[0]),
    listModelFiles(connection, "m-1"),
    Array.fromAsync(readHistory(connection, ID, "loss", 10)),
    listArtifacts(connection, ID),
    beginProxiedParts(connection, { ...DEST, base }, "f", 2).then(({ signed }) => expiryOf(signed, 0)),
    sizeInStorage(connection, { ...DEST, base }, "f"),
    uploadPresigned(connection, s3.stores, ID, "f", { size: 1, bytes: Buffer.from("x"), open: () => ({ fd: -1, offset: 0 }) }),
    listS3(s3),
    beginS3Parts(s3, "f"),
    downloadArtifact(connection, ID, "f", { start: () => undefined, take: () => undefined }),
  ];
}

/** What all of them said wrong: an error of ours with what to do, or nothing. */
async function bugsOf(calls: readonly Promise<unknown>[]): Promise<unknown[]> {
  const ends = await Promise.allSettled(calls);
  return ends.flatMap((end) => {
    if (end.status === "fulfilled" || end.reason instanceof StoreUnreachable) return [];
    const error: unknown = end.reason;
    const isOurs =
      error instanceof CofferError && error.code.startsWith("SERVER_") && (error.hint ?? "") !== "" && error.message.length < 5000;
    return isOurs ? [] : [error];
  });
}

const NAMES = [
  ...[
    "run",
    "runs",
    "info",
    "data",
    "experiment",
    "experiments",
    "model",
    "models",
    "files",
    "metrics",
    "params",
    "tags",
    "inputs",
    "outputs",
  ],
  ...[
    "run_id",
    "experiment_id",
    "model_id",
    "artifact_uri",
    "artifact_location",
    "lifecycle_stage",
    "status",
    "start_time",
    "end_time",
    "name",
    "key",
  ],
  ...[
    "value",
    "step",
    "timestamp",
    "path",
    "is_dir",
    "file_size",
    "next_page_token",
    "upload_id",
    "credentials",
    "url",
    "part_number",
    "headers",
  ],
  ...[
    "presigned_url",
    "error_code",
    "message",
    "detail",
    "dataset_inputs",
    "dataset",
    "digest",
    "model_outputs",
    "multipart_uploads_enabled",
    "__proto__",
  ],
];
const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -1,
    1e308,
    2 ** 60,
    -0,
    "",
    "5",
    ID,
    "m-1",
    "a",
    "a/b",
    "../../x",
    "/etc/passwd",
    "RUNNING",
    "active",
    "deleted",
  ),
  fc.constantFrom(
    "NaN",
    "\0",
    "\u001b[31m",
    "x".repeat(5000),
    "mlflow-artifacts:/5/x",
    "http://u:p@elsewhere/api",
    "file:///etc",
    "s3://b/../x",
    "data:,x",
  ),
  fc.double(),
  fc.string({ unit: "binary" }),
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "medium", withCrossShrink: true },
    leaf,
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie("tree"), { maxKeys: 8 }),
  ),
}));
/** Shapes that are nearly right get further. */
const run = fc.record({
  info: fc.record({ run_id: fc.oneof(fc.constant(ID), leaf), experiment_id: fc.oneof(fc.constant("5"), leaf), artifact_uri: leaf }),
  data: tree,
});
const nearly = fc.oneof(
  tree,
  fc.record({ run, runs: fc.array(run, { maxLength: 2 }) }),
  fc.record({ files: fc.array(fc.record({ path: leaf, is_dir: fc.boolean(), file_size: leaf }), { maxLength: 3 }), next_page_token: leaf }),
  fc.record({
    metrics: fc.array(fc.record({ key: leaf, value: leaf, timestamp: leaf, step: leaf }), { maxLength: 3 }),
    next_page_token: leaf,
  }),
  fc.record({
    presigned_url: leaf,
    headers: fc.dictionary(fc.string(), fc.string()),
    upload_id: leaf,
    credentials: fc.array(tree, { maxLength: 2 }),
  }),
  fc.record({ models: fc.array(fc.record({ info: tree })), next_page_token: leaf }),
);
const text = fc.oneof(
  { weight: 6, arbitrary: nearly.map((value) => JSON.stringify(value)) },
  fc.constantFrom(
    "",
    "{",
    '{"run": {',
    "null",
    "[]",
    "<html><title>502 Bad</title>",
    "<Error><Code>&#99999999;</Code><Message>&#xffffffff;&#x41;</Message></Error>",
  ),
  fc.constantFrom(
    "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken><Contents><Key>p/a</Key>",
    "[".repeat(100_000),
  ),
  fc.string({ unit: "binary" }),
);
const answer = fc.record({
  status: fc.oneof(
    { weight: 6, arbitrary: fc.constant(200) },
    fc.constantFrom(201, 204, 301, 307, 400, 401, 403, 404, 405, 413, 418, 429, 500, 501, 503, 599),
  ),
  body: fc.oneof(
    { weight: 8, arbitrary: text.map((said) => Buffer.from(said)) },
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  ),
  headers: fc.constantFrom<Record<string, string>>(
    {},
    { location: "file:///etc/passwd" },
    { location: "\u00ff" },
    { "retry-after": "soon" },
    { "x-amz-bucket-region": "r" },
    { "content-type": "text/html" },
  ),
});

const NEVER = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "1", MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER: "false" };

test("whatever a server answers, every verb ends with a value or with an error that says what to do", async () => {
  let now: { status: number; body: Buffer; headers: Record<string, string> } | undefined;
  await using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () =>
      new Response(now?.status === 204 ? null : (now?.body as Buffer<ArrayBuffer>), {
        status: now?.status ?? 200,
        headers: now?.headers ?? {},
      }),
  });
  const connection = connectQuickly(`http://127.0.0.1:${server.port}`, { env: NEVER });
  await holdsLater(answer, 60, async (given) => {
    now = given;
    expect(await bugsOf(askEverything(connection))).toEqual([]);
  });
});

test.each([
  ["nothing at all", ""],
  ["no HTTP", "220 smtp.example ESMTP\r\n"],
  ["a status of words", "HTTP/1.1 abc OK\r\n\r\n"],
  ["a length that is too large", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{}"],
  ["a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}"],
  ["chunks of nonsense", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"],
  ["a chunk that never comes", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n{}"],
  ["what only says that it is packed", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"],
  ["a head of a megabyte", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(1 << 20)}\r\n\r\n{}`],
  ["invalid UTF-8", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\xff\xfe{}"],
  ["a redirect to a file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"],
  ["a redirect without a place", "HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n"],
])("%s in place of an answer is an error with what to do", async (_, bytes) => {
  const server = createServer((socket) => socket.on("error", () => undefined).once("data", () => socket.end(Buffer.from(bytes, "latin1"))));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const connection = connectQuickly(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { env: NEVER });
  const calls = askEverything(connection);
  expect(await bugsOf(calls)).toEqual([]);
  expect((await Promise.allSettled(calls.slice(0, 2))).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  server.close();
});

test("lists without an end are given up, and a directory that holds itself is entered once", async () => {
  let number = 0;
  let asked: string[] = [];
  const info = { model_id: "m-1" };
  await using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      asked.push(pathname);
      if (pathname.includes("artifacts"))
        return Response.json({
          files: [
            { path: "a", is_dir: true },
            { path: `f${number}`, file_size: 1 },
          ],
        });
      if (searchParams.has("list-type"))
        return new Response(
          "<L><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken><Contents><Key>p/a</Key><Size>1</Size></Contents></L>",
        );
      const next = pathname.endsWith("get-history") && searchParams.get("metric_key") === "new" ? `t${number++}` : "t";
      return Response.json({ metrics: [{ key: "loss", value: 1 }], models: [{ info }], next_page_token: next });
    },
  });
  const connection = connectQuickly(`http://127.0.0.1:${server.port}`);
  const endless = expect.objectContaining({ code: "SERVER_REFUSED", message: expect.stringContaining("no end") });
  await expect(Array.fromAsync(readMetricHistory(connection, ID, "loss"))).rejects.toEqual(endless);
  await expect(findModels(connection, "5", ID)).rejects.toEqual(endless);
  expect(asked).toHaveLength(4);
  await expect(listS3(bucketAt(connection))).rejects.toEqual(endless);
  expect([...(await listArtifacts(connection, ID)).keys()]).toEqual(["f0"]);
  expect([...(await listModelFiles(connection, "m-1")).keys()]).toEqual(["f0"]);
  const deeper = async (directory = "") => [{ path: `${directory}/${"d".repeat(50)}`, is_dir: true, file_size: 0 }];
  await expect(listTree(connection, deeper)).rejects.toEqual(endless);
  asked = [];
  // each page names another one, and none comes twice
  await expect(Array.fromAsync(readMetricHistory(connection, ID, "new"))).rejects.toEqual(endless);
  expect(asked).toHaveLength(10_001);
});

test("what a storage or a server says of a failure is read whatever it is", () => {
  holds(text, 500, (said) => {
    for (const name of ["Key", "Code", "Message"])
      expect(elementsOf(said, name).every((found) => !found.includes(`</${name}>`))).toBe(true);
    textOf(said, "Message");
    expect(readFailure(500, said).words.length).toBeLessThan(400);
  });
  expect(textOf("<Key>a&#x1F600;&#65;&amp;&#1114112;&#xd800;&#x;</Key>", "Key")).toBe("a😀A&&#1114112;&#xd800;&#x;");
});

test("a storage that says back what it was asked is not quoted with a signature or a key", async () => {
  const [signature, key] = [crypto.randomUUID(), crypto.randomUUID()];
  await using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request): Response {
      const { origin } = new URL(request.url);
      if (request.url.includes("presigned-upload-url"))
        return Response.json({
          presigned_url: `${origin}/b/f?X-Amz-Signature=${signature}&X-Amz-Credential=${key}%2Fx`,
          headers: {},
        });
      const said = `no ${request.url} ${JSON.stringify([...request.headers])}`.replaceAll("&", " ");
      return new Response(`<Error><Code>AccessDenied</Code><Message>${said}</Message></Error>`, { status: 403 });
    },
  });
  const connection = connectQuickly(server.url.origin);
  const place = { ...bucketAt(connection), credentials: { accessKeyId: "A", secretAccessKey: "S", sessionToken: key } };
  const source = { size: 1, bytes: Buffer.from("x"), open: () => ({ fd: -1, offset: 0 }) };
  for (const ask of [() => uploadPresigned(connection, place.stores, ID, "f", source), () => beginS3Parts(place, "f")]) {
    const { message } = (await ask().catch((error: unknown) => error)) as Error;
    expect(message).toContain("AccessDenied: no http://127.0.0.1");
    expect(message).toContain("***");
    expect([message.includes(signature), message.includes(key)]).toEqual([false, false]);
  }
});
