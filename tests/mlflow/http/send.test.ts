import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { uploadPresigned } from "../../../src/mlflow/artifacts/presigned-upload.ts";
import { httpAddress } from "../../../src/mlflow/http/send.ts";
import { signedRequest } from "../../../src/mlflow/artifacts/signed-request.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { fileSource } from "../../support/file-source.ts";
import { connectQuickly } from "../../support/quick-connection.ts";

/** What a server could give as an address, and no request is to go to. */
const ELSEWHERE = [
  "s3://victim-bucket/key",
  " S3://victim-bucket/key",
  "file:///etc/hostname",
  "data:text/plain,stored",
  "blob:nodedata:0d5e4a43-f2e4-4ca1-93a6-3a4a5ab0b1b0",
  "ftp://127.0.0.1/x",
  "",
  "//x",
  "/relative",
  "http://127.0.0.1:99999/",
  "http://[::1",
  "http://user:s3cr3t@127.0.0.1:9/x",
  "https://s3cr3t@127.0.0.1:9/x",
];

test.each(ELSEWHERE)("no request goes to %j, whoever asks for it", (address) => {
  const connection = connectQuickly("http://127.0.0.1:1");
  // the one way to an address that `send` takes
  expect(() => httpAddress(connection, address)).toThrow(
    expect.objectContaining({ code: "SERVER_REFUSED", message: expect.not.stringContaining("s3cr3t") }),
  );
});

test("nothing of coffer speaks to the network but through `send`", () => {
  const root = join(import.meta.dir, "../../../src");
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  expect(files.filter((name) => /(?<![\w.])fetch\(/.test(readFileSync(join(root, name), "utf8")))).toEqual(["mlflow/http/send.ts"]);
});

test.each(ELSEWHERE)("a file whose signed address is %j is refused without a second try", async (address) => {
  let asked = 0;
  await using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => (asked++, Response.json({ presigned_url: address, headers: {} })),
  });
  using root = temporaryRoot();
  const connection = connectQuickly(`http://127.0.0.1:${server.port}`);
  const stores = { tls: undefined, reached: new Set<string>() };
  const sent = uploadPresigned(connection, stores, "0".repeat(32), "f", fileSource(root.at("f"), "content"));
  expect(await sent.catch((error: unknown) => error)).toMatchObject({ code: "SERVER_REFUSED", status: 0 });
  expect(asked).toBe(1);
});

test("a file goes to an address that was signed with the headers of storages only, and never with our credentials", async () => {
  const seen: { request: string; headers: Record<string, string> }[] = [];
  await using storage = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch({ method, url, headers }) {
      seen.push({ request: `${method} ${url}`, headers: Object.fromEntries(headers) });
      return new Response("");
    },
  });
  const headers = { "x-amz-acl": "private", "Content-Type": "text/plain", Authorization: "Basic x", cookie: "a=b", Host: "elsewhere" };
  const presigned_url = `http://127.0.0.1:${storage.port}/bucket/f?X-Amz-Signature=1%2F2`;
  await using server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.json({ presigned_url, headers }) });
  using root = temporaryRoot();
  const connection = connectQuickly(`http://127.0.0.1:${server.port}`, { env: { MLFLOW_TRACKING_TOKEN: "hunter2" } });
  const stores = { tls: undefined, reached: new Set<string>() };
  await uploadPresigned(connection, stores, "0".repeat(32), "f", fileSource(root.at("f"), "content"));
  expect(seen.map(({ request }) => request)).toEqual([`PUT ${presigned_url}`]);
  const got = seen[0]?.headers ?? {};
  expect(got).toMatchObject({ "x-amz-acl": "private", "content-type": "text/plain", host: `127.0.0.1:${storage.port}` });
  expect(got["authorization"] ?? got["cookie"]).toBeUndefined();
});

test("a header that would end its line is left out", () => {
  const headers = { "x-goog-meta-a": "1\r\nHost: x", "x-ms-blob-type": "BlockBlob", "x-amz-a b": "1", "content-length": "0" };
  expect(signedRequest("http://x", headers).headers).toEqual({ "x-ms-blob-type": "BlockBlob" });
});
