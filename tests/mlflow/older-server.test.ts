import { expect, test } from "bun:test";
import { destinationOf } from "../../src/mlflow/artifacts/destination.ts";
import type { Destination } from "../../src/mlflow/artifacts/destination.ts";
import { downloadArtifact } from "../../src/mlflow/artifacts/download-artifact.ts";
import { listArtifacts } from "../../src/mlflow/artifacts/list-artifacts.ts";
import { beginProxiedParts } from "../../src/mlflow/artifacts/proxied-parts.ts";
import { probeServer } from "../../src/mlflow/tracking/server-info.ts";
import { uploadArtifact } from "../../src/mlflow/artifacts/upload-artifact.ts";
import { mlflow, needsMlflow, needsOlder } from "../support/mlflow.ts";
import type { MlflowPlace } from "../../scripts/mlflow/server.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { fileSource } from "../support/file-source.ts";
import { connectQuickly, newRun } from "../support/quick-connection.ts";

// what MLflow 3.11 does otherwise than 3.17.2; each line is asked of both, so that none of it is a legend
const servers = [
  { version: "3.11.1", live: needsOlder(test), place: () => mlflow.older, info: {}, answer: "{}", chunked: 0, names: false },
  {
    version: "3.17.2",
    live: needsMlflow(test),
    place: () => mlflow.proxied,
    info: { multipart_uploads_enabled: false, presigned_upload_run_id_supported: true },
    answer: "",
    chunked: 5,
    names: true,
  },
];

for (const { version, live, place, info, answer, chunked, names } of servers) {
  live(`${version}: the probe finds its version and what it can do`, async () => {
    const connection = connectQuickly(place().uri);
    expect(await probeServer(connection)).toEqual({
      version,
      multipartUploads: false,
      multipartDownloads: false,
      presignedUploads: version !== "3.11.1",
      workspaces: false,
    });
    const said = (await (await fetch(`${place().uri}/api/3.0/mlflow/server-info`)).json()) as Record<string, unknown>;
    expect(said).toMatchObject({ store_type: "SqlStore", workspaces_enabled: false, ...info });
    expect("multipart_uploads_enabled" in said).toBe("multipart_uploads_enabled" in info);
  });

  live(
    `${version}: an upload is answered with ${answer === "" ? "nothing" : answer}; one in chunks is kept with ${chunked} of its 5 bytes`,
    async () => {
      const { url, id } = await proxiedRun(place());
      const whole = await fetch(`${url}/whole`, { method: "PUT", body: "12345" });
      expect([whole.status, (await whole.text()).trim()]).toEqual([200, answer]);
      const stream = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode("12345"));
          controller.close();
        },
      });
      expect((await fetch(`${url}/chunks`, { method: "PUT", body: stream })).status).toBe(200);
      expect(await listArtifacts(connectQuickly(place().uri), id)).toEqual(
        new Map([
          ["whole", 5],
          ["chunks", chunked],
        ]),
      );
    },
  );

  live(`${version}: what coffer sends is there byte for byte: large, small and empty, under any name that can be sent`, async () => {
    const connection = connectQuickly(place().uri);
    using root = temporaryRoot();
    const { id, ...destination } = await proxiedRun(place());
    const files = new Map<string, Uint8Array | string>([
      ["a/large.bin", new Uint8Array(1_000_003).map((_, index) => (index * 31) >> 2)],
      ["a/b c/ü é 日本 🎉.txt", "small"],
      ["plus+and&comma,=@(1)!'*~$", "odd"],
      ["empty", ""],
    ]);
    for (const [path, content] of files)
      await uploadArtifact(connection, destination, path, fileSource(root.at(`f${files.size}${Math.random()}`), content));
    expect(await listArtifacts(connection, id)).toEqual(new Map([...files].map(([path, content]) => [path, Buffer.byteLength(content)])));
    for (const [path, content] of files)
      for (const through of [undefined, destination]) {
        const chunks: Uint8Array[] = [];
        await downloadArtifact(
          connection,
          id,
          path,
          { start: () => (chunks.length = 0), take: (chunk) => void chunks.push(chunk) },
          through,
        );
        expect(Buffer.compare(Buffer.concat(chunks), Buffer.from(content as string))).toBe(0);
      }
  });

  live(
    `${version}: the route that takes a file ${names ? "gives it back, too" : "does not give it back"} where its name is not ASCII`,
    async () => {
      const { url } = await proxiedRun(place());
      await fetch(`${url}/%C3%BC`, { method: "PUT", body: "x" });
      expect((await fetch(`${url}/%C3%BC`)).status).toBe(names ? 200 : 500);
    },
  );

  live(
    `${version}: an upload in parts to a server that keeps files on a disk is refused as one, so that another way is taken`,
    async () => {
      const { id: _, ...destination } = await proxiedRun(place());
      const refused: unknown = await beginProxiedParts(connectQuickly(place().uri), destination, "f", 2).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "SERVER_REFUSED", status: 501 });
    },
  );
}

test("nobody waits for the body of an answer to an upload: before 3.15 it came 44 ms behind the head", async () => {
  using root = temporaryRoot();
  using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      await request.arrayBuffer();
      return new Response(new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode("{")) }));
    },
  });
  const uri = `http://127.0.0.1:${server.port}`;
  const connection = connectQuickly(uri, { env: { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" } });
  for (const name of ["a", "b", "c"]) await uploadArtifact(connection, { url: uri }, name, fileSource(root.at(name), name));
});

async function proxiedRun(place: MlflowPlace): Promise<{ id: string } & Destination & { kind: "proxied" }> {
  const connection = connectQuickly(place.uri);
  const run = await newRun(connection);
  const destination = destinationOf(connection, run.artifactUri);
  if (destination.kind !== "proxied") throw new Error("not a proxied server");
  return { id: run.id, ...destination };
}
