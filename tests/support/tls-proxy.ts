import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:tls";
import { temporaryRoot } from "./temporary-root.ts";

export interface TlsProxy extends AsyncDisposable {
  /** `https://localhost:…` */
  uri: string;
  /** The path of its certificate, which nobody vouches for. */
  certificate: string;
}

/** TLS before a server that has none. `python`: one with the library `cryptography`, which MLflow brings along. */
export async function tlsProxy(target: string, python: string): Promise<TlsProxy> {
  const root = temporaryRoot();
  const made = Bun.spawnSync([python, "-c", MAKE_CERTIFICATE, root.path]);
  if (made.exitCode !== 0) throw new Error(`no certificate: ${made.stderr.toString()}`);
  const pem = await Bun.file(root.at("both.pem")).text();
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  const server = createServer({ cert: pem, key: pem }, (socket) => {
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
  writeFileSync(root.at("cert.pem"), /-----BEGIN CERT[^]*?-----END CERTIFICATE-----/.exec(pem)?.[0] ?? "");
  return {
    uri: `https://localhost:${(server.address() as AddressInfo).port}`,
    certificate: root.at("cert.pem"),
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      root[Symbol.dispose]();
    },
  };
}

/** A certificate for localhost and its key in one file: `both.pem` in the directory that is given. */
export const MAKE_CERTIFICATE = `
import datetime, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
now = datetime.datetime.now(datetime.timezone.utc)
cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    .add_extension(x509.BasicConstraints(ca=True, path_length=None), True).sign(key, hashes.SHA256()))
encoding = serialization.Encoding.PEM
with open(sys.argv[1] + "/both.pem", "wb") as f:
    f.write(cert.public_bytes(encoding))
    f.write(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
`;
