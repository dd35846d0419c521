import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** What goes wrong with one request on its way to the real server; undefined lets it pass. */
export type Fault =
  /** The connection ends before the request gets through. */
  | { reset: "before" }
  /** It ends after so many bytes of head and body were taken. */
  | { resetAfter: number }
  /** It ends once the head and half of the body got through; `at` is called at that moment. A request without a body does not get through. */
  | { reset: "half"; at?: () => void }
  /** The server gets the request whole, and its answer is lost. `at` is called once the server has answered. */
  | { reset: "answer"; at?: () => void }
  /** So many bytes of the answer get through. */
  | { cutAnswerAfter: number }
  /** So many bytes of the answer get through; then nothing comes any more, and the connection stays. */
  | { stallAnswerAfter: number }
  /** The answer comes in pieces of so many bytes. */
  | { trickle: number }
  /** The proxy answers itself: a status line and headers. `half`: the server gets the head and half of the body before it is cut off. */
  | { answer: string; body?: string; half?: boolean }
  /** Nothing ever comes back. */
  | { stall: true }
  /** The request is kept until this resolves, and goes its way then, even if nobody waits for it any more. */
  | { held: Promise<unknown> }
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
    client.setNoDelay(true);
    const upstream = connect(Number(port), hostname);
    let current: Fault;
    let taken = 0;
    let taking = 0;
    let answered = 0;
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket.on("error", () => {
        if (socket === upstream || !isHeld(current)) end();
      });
      socket.on("close", () => open.delete(socket));
    }
    client.on("close", () => {
      if (!isHeld(current)) upstream.destroy();
    });
    // a server that closes after its answer must not cost a slow reader the rest of it
    upstream.on("close", () => client.end());
    client.on("data", (data: Buffer) => {
      let bytes = data;
      const head = /^(GET|POST|PUT|PATCH|DELETE) (\S+) HTTP\/1\.1\r\n/.exec(data.toString("latin1", 0, 4000));
      if (head) {
        const request = `${head[1]} ${(head[2] as string).replace(/\?.*/, "")}`;
        requests.push(request);
        counts.set(request, (counts.get(request) ?? 0) + 1);
        current = fault(request, counts.get(request) as number);
        taken = answered = 0;
        if (current && "rewrite" in current) bytes = Buffer.from(current.rewrite(data.toString("latin1")), "latin1");
      }
      const before = taken;
      taken += bytes.length;
      if (!current) upstream.write(bytes);
      else if ("reset" in current && current.reset === "before") end();
      else if ("reset" in current && current.reset === "half") {
        if (head) taking = halfOf(data);
        upstream.write(bytes.subarray(0, Math.max(taking - before, 0)));
        if (taken <= taking) return;
        current.at?.();
        end();
      } else if ("resetAfter" in current) {
        upstream.write(bytes.subarray(0, Math.max(current.resetAfter - before, 0)));
        if (taken > current.resetAfter) upstream.end(() => end());
      } else if ("answer" in current) {
        const { answer, body = "", half } = current;
        if (head) taking = half ? halfOf(data) : 0;
        upstream.write(bytes.subarray(0, Math.max(taking - before, 0)));
        if (before > taking || taken <= taking) return;
        upstream.end();
        client.end(`HTTP/1.1 ${answer}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
      } else if ("held" in current) void current.held.then(() => upstream.write(bytes));
      else if (!("stall" in current)) upstream.write(bytes);
    });
    upstream.on("data", (data: Buffer) => {
      if (current && "answer" in current) return;
      if (current && "reset" in current) {
        if (current.reset === "answer") current.at?.();
        return end();
      }
      const room = roomFor(current) - answered;
      answered += data.length;
      if (current && "trickle" in current) void trickle(upstream, client, data, current.trickle);
      else if (data.length <= room) client.write(data);
      else if (current && "stallAnswerAfter" in current) client.write(data.subarray(0, Math.max(room, 0)));
      else client.end(data.subarray(0, Math.max(room, 0)));
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

/** Bytes of a request's head and half of its body; 0 for one without a body. */
function halfOf(data: Buffer): number {
  const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(data.toString("latin1"))?.[1] ?? 0);
  return length === 0 ? 0 : data.indexOf("\r\n\r\n") + 4 + Math.floor(length / 2);
}

async function trickle(from: Socket, to: Socket, data: Buffer, size: number): Promise<void> {
  from.pause();
  for (let at = 0; at < data.length; at += size) {
    to.write(data.subarray(at, at + size));
    await Bun.sleep(1);
  }
  from.resume();
}

function isHeld(fault: Fault): boolean {
  return fault !== undefined && "held" in fault;
}

/** Bytes of the answer that get through. */
function roomFor(fault: Fault): number {
  if (fault && "cutAnswerAfter" in fault) return fault.cutAnswerAfter;
  return fault && "stallAnswerAfter" in fault ? fault.stallAnswerAfter : Infinity;
}
