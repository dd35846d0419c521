import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { coffer, spawnCoffer } from "../support/coffer.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { watchMemory } from "../support/watch-memory.ts";
import { tlsProxy } from "../support/tls-proxy.ts";

const live = needsMlflow(test);

const MIB = 1024 * 1024;
/** Several times what is allowed: whoever held the file, or a good part of it, would be found. */
const SIZE = Number(process.env["COFFER_TEST_UPLOAD_MIB"] ?? 600) * MIB;
const ALLOWED = 150_000_000;

// only Linux tells the memory of another process
(process.platform === "linux" ? live : test.skip)(
  "an upload takes little memory, whatever the size of the file, without TLS and with it",
  async () => {
    using root = temporaryRoot();
    const file = openSync(root.at("model.bin"), "w");
    const chunk = randomBytes(50 * MIB);
    for (let at = 0; at < SIZE; at += chunk.length) writeSync(file, chunk);
    closeSync(file);
    expect(await coffer(["log", "model.bin"], { root: root.at("store"), cwd: root.path })).toMatchObject({ code: 0 });
    await using tls = await tlsProxy(mlflow.proxied.uri, mlflow.proxied.python);
    for (const [uri, more] of [
      [mlflow.proxied.uri, {}],
      [tls.uri, { MLFLOW_TRACKING_SERVER_CERT_PATH: tls.certificate }],
    ] as const) {
      const env = { MLFLOW_TRACKING_URI: uri, MLFLOW_EXPERIMENT_NAME: `memory ${Bun.randomUUIDv7()}`, ...more };
      const began = performance.now();
      const child = spawnCoffer(["sync-mlflow", "--json"], { root: root.at("store"), cwd: root.path, env });
      const [out, words, most] = await Promise.all([child.stdout.text(), child.stderr.text(), watchMemory(child)]);
      expect({ code: child.exitCode, words }).toMatchObject({ code: 0 });
      expect(JSON.parse(out)).toMatchObject({ synced: 1, runs: [{ sent: { how: { put: 1 }, bytes: SIZE } }] });
      if (process.env["COFFER_TEST_UPLOAD_MIB"])
        console.error(new URL(uri).protocol, Math.round(most / 1e6), "MB", Math.round(performance.now() - began), "ms");
      expect(most).toBeGreaterThan(0);
      expect(most).toBeLessThan(ALLOWED);
    }
  },
);
