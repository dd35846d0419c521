import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import type { Fault } from "../../support/faulty-proxy.ts";
import { coffer } from "../../support/coffer.ts";
import { mlflow, needsMlflow, startReader } from "../../support/mlflow.ts";
import type { Reader } from "../../support/mlflow.ts";
import { deliveryOf } from "../../support/told.ts";
import { tellWhole } from "./whole-run.ts";

const live = needsMlflow(test);

const readers: Partial<Record<"proxied" | "shared", Reader>> = {};
beforeAll(() => {
  if (process.env["COFFER_TEST_MLFLOW"]) for (const kind of ["proxied", "shared"] as const) readers[kind] = startReader(mlflow[kind]);
});
afterAll(async () => {
  for (const reader of Object.values(readers)) await reader[Symbol.asyncDispose]();
});

for (const kind of ["proxied", "shared"] as const)
  live(
    `a sync that is killed while it places files on the disk of the ${kind} server leaves nothing of its own there after the next one`,
    async () => {
      let fault: (request: string) => Fault = () => undefined;
      await using proxy = await faultyProxy(mlflow[kind].uri, (request) => fault(request));
      using told = await tellWhole(proxy.uri, kind === "proxied" ? { MLFLOW_DEFAULT_ARTIFACT_ROOT: mlflow[kind].artifacts } : {});
      // while it asks whether its marker shows
      let child = told.spawn();
      fault = (request) => (request.endsWith("/artifacts/list") ? { reset: "answer", at: () => child.kill("SIGKILL") } : undefined);
      await child.exited;
      const { remote_experiment, remote_run } = deliveryOf(told.stored, told.run);
      const directory = join(mlflow[kind].artifacts, remote_experiment as string, remote_run as string, "artifacts");
      expect(readdirSync(directory)).toEqual([expect.stringMatching(/^coffer-probe-/)]);
      fault = () => undefined;

      // in the middle of one that is not sent any more
      writeFileSync(join(directory, ".coffer-0a1b2c.part"), "half of it");
      // while it places files, wherever that is: at the first one, and at a later one
      for (const path of ["large.bin", "small/0/file 0.txt"]) {
        child = told.spawn();
        while (child.exitCode === null && child.signalCode === null && !existsSync(join(directory, path))) await Bun.sleep(1);
        child.kill("SIGKILL");
        await child.exited;
      }

      await told.endsWell(readers[kind] as Reader);
      expect(readdirSync(directory).sort()).toEqual(["empty.txt", "large.bin", "model", "small"]);
      expect(await coffer(["verify"], { root: told.stored.store.settings.roots.store })).toMatchObject({ code: 0 });
    },
  );
