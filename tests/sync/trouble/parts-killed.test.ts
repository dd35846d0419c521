import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readdirSync, writeFileSync } from "node:fs";
import { coffer, spawnCoffer } from "../../support/coffer.ts";
import { readArtifact } from "../../support/mlflow.ts";
import { needsMoto, objectStore } from "../../support/object-store.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { seenOn } from "../../support/told.ts";

const live = needsMoto(test);
const store = objectStore();

const MIB = 1024 * 1024;
const SIZE = 38 * MIB;
/** 38 MiB in parts of 5. */
const COUNT = 8;
const BEFORE = 3;

for (const kind of ["proxied", "direct"] as const)
  live(`a sync that is killed in the middle of an upload in parts (${kind}) goes on with those that are missing`, async () => {
    using root = temporaryRoot();
    const bytes = randomBytes(SIZE);
    writeFileSync(root.at("model.bin"), bytes);
    const env = {
      ...(kind === "direct" && store.env),
      MLFLOW_TRACKING_URI: store[kind].uri,
      MLFLOW_EXPERIMENT_NAME: `killed ${Bun.randomUUIDv7()}`,
      MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE: String(10 * MIB),
      MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE: String(5 * MIB),
    };
    const options = { root: root.at("store"), cwd: root.path, env };
    expect(await coffer(["log", "model.bin"], { root: options.root, cwd: root.path })).toMatchObject({ code: 0 });

    let parts = 0;
    store.fault = (request) => (request.startsWith("PUT /mlflow/d") && ++parts > BEFORE ? { stall: true } : undefined);
    const child = spawnCoffer(["sync-mlflow"], options);
    const words = child.stderr.text();
    while (arrived(root.at("store/coffer.db")) < BEFORE) {
      if (child.exitCode !== null) throw new Error(`it ended early: ${await words}`);
      await Bun.sleep(20);
    }
    child.kill("SIGKILL");
    await child.exited;
    expect(parts).toBeGreaterThan(BEFORE);

    store.fault = () => undefined;
    store.storage.requests.length = 0;
    expect(await coffer(["sync-mlflow"], options)).toMatchObject({ code: 0 });
    expect(store.storage.requests.filter((request) => request.startsWith("PUT /mlflow/d"))).toHaveLength(COUNT - BEFORE);
    expect(readdirSync(root.at("store/tmp")).filter((name) => name.startsWith("upload-"))).toEqual([]);

    const db = new Database(root.at("store/coffer.db"), { readonly: true });
    const { id } = db.query("SELECT id FROM runs").get() as { id: string };
    db.close();
    const seen = await seenOn(store[kind].uri, { id });
    expect(seen).toMatchObject([{ artifacts: { "model.bin": SIZE } }]);
    expect(Buffer.compare(await readArtifact(store[kind], seen[0]?.id as string, "model.bin", store.env), bytes)).toBe(0);
  });

/** Parts that the killed process had written down. */
function arrived(path: string): number {
  const db = new Database(path, { readonly: true });
  try {
    return (db.query("SELECT count(*) AS n FROM upload_parts").get() as { n: number }).n;
  } finally {
    db.close();
  }
}
