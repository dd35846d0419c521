import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { SYNC_POINTS_VARIABLE } from "../../src/domain/sync-point.ts";
import { place } from "../cli/run-place.ts";
import { mlflow, needsMlflow, readBack, startReader } from "../support/mlflow.ts";
import type { Reader } from "../support/mlflow.ts";
import { needsMoto, objectStore } from "../support/object-store.ts";
import { deliveryOf, seenOn } from "../support/told.ts";
import { tellWhole } from "../sync/trouble/whole-run.ts";
import { nextCommand } from "./kill-at.ts";
import { OVER_HTTP, ON_ONE_DISK, IN_PARTS } from "./delivery-points.ts";

const live = needsMlflow(test);
const withStorage = needsMoto(test);
const storage = objectStore();
const MIB = 1 << 20;

const readers: Partial<Record<"proxied" | "shared", Reader>> = {};
beforeAll(() => {
  if (process.env["COFFER_TEST_MLFLOW"]) for (const kind of ["proxied", "shared"] as const) readers[kind] = startReader(mlflow[kind]);
});
afterAll(async () => {
  for (const reader of Object.values(readers)) await reader[Symbol.asyncDispose]();
});

for (const [kind, points] of [
  ["proxied", OVER_HTTP],
  ["shared", ON_ONE_DISK],
] as const)
  live(
    `a delivery to the ${kind} server that is killed at each of its steps, one after the other, ends whole`,
    async () => {
      using told = await tellWhole(mlflow[kind].uri);
      for (const point of points) {
        const child = told.spawn({ [SYNC_POINTS_VARIABLE]: `${point}=kill` });
        await child.exited;
        expect([point, child.signalCode]).toEqual([point, "SIGKILL"]);
      }
      await told.endsWell(readers[kind] as Reader);
      if (kind === "proxied") return;
      const { remote_experiment, remote_run } = deliveryOf(told.stored, told.run);
      const directory = join(mlflow.shared.artifacts, remote_experiment as string, remote_run as string, "artifacts");
      expect(readdirSync(directory).toSorted()).toEqual(["empty.txt", "large.bin", "model", "small"]);
    },
    120_000,
  );

withStorage(
  "an upload in parts that is killed at each of its steps ends whole, and keeps what was sent",
  async () => {
    using here = place();
    const path = here.write("model.bin", "");
    await Bun.write(path, randomBytes(16 * MIB));
    expect(await here.coffer(["log", "model.bin"])).toMatchObject({ code: 0 });
    const env = {
      MLFLOW_TRACKING_URI: storage.proxied.uri,
      MLFLOW_EXPERIMENT_NAME: `parts ${Bun.randomUUIDv7()}`,
      MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE: String(10 * MIB),
      MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE: String(5 * MIB),
    };
    for (const point of IN_PARTS) {
      const killed = await here.coffer(["sync-mlflow"], { env: { ...env, [SYNC_POINTS_VARIABLE]: `${point}=kill` } });
      expect([point, killed.signal]).toEqual([point, "SIGKILL"]);
    }
    expect(await here.coffer(["sync-mlflow"], { env })).toMatchObject({ code: 0 });
    expect(here.leftovers()).toEqual([]);
    expect(await seenOn(storage.proxied.uri, await here.shown())).toMatchObject([{ artifacts: { "model.bin": 16 * MIB } }]);
  },
  120_000,
);

live(
  "a wrapper that is killed once the server has the run it attached to leaves one run there, which ends with the next sync",
  async () => {
    for (const point of ["sync.run-asked", "sync.run-made", "run.prepared"] as const) {
      using here = place();
      const env = { MLFLOW_TRACKING_URI: mlflow.proxied.uri, MLFLOW_EXPERIMENT_NAME: `attached ${Bun.randomUUIDv7()}` };
      const killed = await here.coffer(["run", "--attach", "--", "true"], { env: { ...env, [SYNC_POINTS_VARIABLE]: `${point}=kill` } });
      expect([point, killed.signal]).toEqual([point, "SIGKILL"]);
      await nextCommand(here, env);
      expect(await here.coffer(["sync-mlflow"], { env })).toMatchObject({ code: 0 });
      const { id } = await here.shown();
      expect(await readBack(mlflow.proxied, id)).toMatchObject([{ status: "KILLED" }]);
      expect(here.leftovers()).toEqual([]);
    }
  },
  60_000,
);
