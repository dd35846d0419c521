import { createServer, request as ask } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { expect, test } from "bun:test";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { tlsProxy } from "../support/tls-proxy.ts";
import { QUICK, seenOn, storeFor, sync, tellLater } from "../support/told.ts";

const live = needsMlflow(test);

for (const scheme of ["http", "https"] as const)
  live(`all of a run gets through a proxy that wants a login, by ${scheme}`, async () => {
    await using tls = await tlsProxy(mlflow.proxied.uri, mlflow.proxied.python);
    await using proxy = await forwardProxy("eve:p@ss");
    using stored = await storeFor(scheme === "https" ? tls.uri : mlflow.proxied.uri);
    const bytes = new Uint8Array(1_000_001).map((_, index) => index >> 4);
    const { run } = await tellLater(stored, {
      params: { a: "1" },
      artifacts: [
        { path: "d/large.bin", bytes },
        { path: "empty", bytes: "" },
        ...Array.from({ length: 8 }, (_, nth) => ({ path: `f${nth}`, bytes: `${nth}` })),
      ],
    });
    const env = {
      ...QUICK,
      [`${scheme}_proxy`]: proxy.uri.replace("//", "//eve:p%40ss@"),
      ...(scheme === "https" && { MLFLOW_TRACKING_SERVER_CERT_PATH: tls.certificate }),
    };
    const report = await sync(stored, { env, verify: "bytes" });
    expect(report).toMatchObject({ synced: 1, left: 0, runs: [{ sent: { files: 10 }, verified: { files: 10 } }] });
    expect(await seenOn(mlflow.proxied.uri, run)).toMatchObject([
      { params: { a: "1" }, artifacts: { "d/large.bin": bytes.length, empty: 0, f7: 1 } },
    ]);
    expect(new Set(proxy.passed)).toEqual(
      new Set([scheme === "https" ? `CONNECT ${new URL(tls.uri).host}` : `${new URL(mlflow.proxied.uri).origin}`]),
    );
    expect(proxy.turnedAway).toBe(0);
  });

interface ForwardProxy extends AsyncDisposable {
  uri: string;
  /** Where requests went: an origin, or `CONNECT host:port`. */
  passed: string[];
  turnedAway: number;
}

/** What stands between an office and the world. `login`: `user:password` that it wants. */
async function forwardProxy(login: string): Promise<ForwardProxy> {
  const wanted = `Basic ${Buffer.from(login).toString("base64")}`;
  const open = new Set<Socket>();
  const proxy = { uri: "", passed: [] as string[], turnedAway: 0 };
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const { "proxy-authorization": who, ...headers } = request.headers;
    if (who !== wanted) {
      proxy.turnedAway++;
      return void response.writeHead(407).end();
    }
    proxy.passed.push(new URL(request.url ?? "").origin);
    const onward = ask(request.url ?? "", { method: request.method ?? "GET", headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  server.on("connection", (socket: Socket) => open.add(socket));
  server.on("connect", (request: IncomingMessage, socket: Socket) => {
    if (request.headers["proxy-authorization"] !== wanted) {
      proxy.turnedAway++;
      return void socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    }
    proxy.passed.push(`CONNECT ${request.url}`);
    const { hostname, port } = new URL(`http://${request.url}`);
    const upstream = connect(Number(port), hostname, () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      socket.pipe(upstream).pipe(socket);
    });
    for (const end of [socket, upstream]) {
      open.add(end);
      end.on("error", () => end.destroy());
      end.on("close", () => (socket.destroy(), upstream.destroy()));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy.uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(proxy, {
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
