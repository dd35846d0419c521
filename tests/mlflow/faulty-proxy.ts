import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** What goes wrong with one request on its way to the real server; undefined lets it pass. */
export type Fault =
  /** The connection ends before the request gets through. */
  | { reset: "before" }
  /** It ends after so many bytes of head and body were taken. */
  | { resetAfter: number }
  /** The server gets the request whole, and its answer is lost. */
  | { reset: "answer" }
  /** So many bytes of the answer get through. */
  | { cutAnswerAfter: number }
  /** The proxy answers itself: a status line and headers. */
  | { answer: string; body?: string }
  /** Nothing ever comes back. */
  | { stall: true }
  /** The head is changed on its way. */
  | { rewrite: (head: string) => string }
  | undefined;

export interface FaultyProxy extends AsyncDisposable {
  uri: string;
  /** `POST /api/…` of every request that began, in order. */
  requests: string[];
}

/** A TCP proxy before the real server that harms the requests that `fault` names; `nth` counts from 1 for each method and path. */
export async function faultyProxy(target: string, fault: (request: string, nth: number) => Fault): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  const requests: string[] = [];
  const counts = new Map<string, number>();
  const open = new Set<Socket>();

  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("error", () => {
        client.destroy();
        upstream.destroy();
      });
      socket.on("close", () => open.delete(socket));
    }
    client.on("close", () => upstream.destroy());
    // a server that closes after its answer must not cost a slow reader the rest of it
    upstream.on("close", () => client.end());
    let current: Fault;
    let taken = 0;
    let answered = 0;
    client.on("data", (data: Buffer) => {
      let bytes = data;
      const head = /^(GET|POST|PUT|DELETE) (\S+) HTTP\/1\.1\r\n/.exec(data.toString("latin1", 0, 4000));
      if (head) {
        const request = `${head[1]} ${(head[2] as string).replace(/\?.*/, "")}`;
        requests.push(request);
        counts.set(request, (counts.get(request) ?? 0) + 1);
        current = fault(request, counts.get(request) as number);
        taken = answered = 0;
        if (current && "answer" in current) {
          const body = current.body ?? "";
          client.end(`HTTP/1.1 ${current.answer}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
          return;
        }
        if (current && "rewrite" in current) bytes = Buffer.from(current.rewrite(data.toString("latin1")), "latin1");
      }
      taken += bytes.length;
      if (current && "reset" in current && current.reset === "before") client.destroy();
      else if (current && "resetAfter" in current && taken > current.resetAfter) client.destroy();
      else if (!current || !("stall" in current)) upstream.write(bytes);
    });
    upstream.on("data", (data: Buffer) => {
      if (current && "reset" in current) return client.destroy();
      const room = current && "cutAnswerAfter" in current ? current.cutAnswerAfter - answered : Infinity;
      answered += data.length;
      if (data.length <= room) return client.write(data);
      client.end(data.subarray(0, room));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
