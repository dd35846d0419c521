import { readFileSync } from "node:fs";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import { temporaryRoot } from "./temporary-root.ts";

/** The path of a PEM file: an authority that nobody knows, and what it signed. `expired` was good until yesterday, `elsewhere` is for another host than localhost. */
export type Certificates = Record<"authority" | "server" | "expired" | "elsewhere" | "client", string> & Disposable;

export interface TlsProxy extends AsyncDisposable {
  /** `https://localhost:…` */
  uri: string;
  /** The path of the authority's certificate, which nobody vouches for. */
  certificate: string;
  /** The names of the clients that showed a certificate, one for each connection. */
  clients: string[];
}

/** `python`: one with the library `cryptography`, which MLflow brings along. */
export function makeCertificates(python: string): Certificates {
  const root = temporaryRoot();
  const made = Bun.spawnSync([python, join(import.meta.dir, "certificates.py"), root.path]);
  if (made.exitCode !== 0) throw new Error(`no certificate: ${made.stderr.toString()}`);
  const names = ["authority", "server", "expired", "elsewhere", "client"] as const;
  const paths = Object.fromEntries(names.map((name) => [name, root.at(`${name}.pem`)])) as Record<(typeof names)[number], string>;
  return { ...paths, [Symbol.dispose]: () => root[Symbol.dispose]() };
}

/** TLS before a server that has none, with certificates of its own. */
export async function tlsProxy(target: string, python: string): Promise<TlsProxy> {
  const certificates = makeCertificates(python);
  const proxy = await terminateTls(target, certificates);
  return {
    ...proxy,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      certificates[Symbol.dispose]();
    },
  };
}

/** The same with the given certificates. `asks`: clients have to show one. */
export async function terminateTls(
  target: string,
  certificates: Certificates,
  { shows = "server", asks = false }: { shows?: "server" | "expired" | "elsewhere"; asks?: boolean } = {},
): Promise<TlsProxy> {
  const pem = readFileSync(certificates[shows], "utf8");
  const ca = readFileSync(certificates.authority, "utf8");
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  const clients: string[] = [];
  const server = createServer({ cert: pem, key: pem, ca, requestCert: asks, rejectUnauthorized: asks }, (socket) => {
    if (asks) clients.push(String(socket.getPeerCertificate().subject.CN));
    const upstream = connect(Number(port), hostname);
    for (const end of [socket, upstream]) {
      open.add(end);
      end.on("error", () => end.destroy());
      end.on("close", () => {
        open.delete(end);
        socket.destroy();
        upstream.destroy();
      });
    }
    socket.pipe(upstream).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    uri: `https://localhost:${(server.address() as AddressInfo).port}`,
    certificate: certificates.authority,
    clients,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
