import { expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { self } from "../../../src/domain/process-identity.ts";
import { destinationOf, directoryOn } from "../../../src/mlflow/artifacts/destination.ts";
import type { OnDisk } from "../../../src/mlflow/artifacts/destination.ts";
import { listArtifacts } from "../../../src/mlflow/artifacts/list-artifacts.ts";
import { provesDestination } from "../../../src/mlflow/artifacts/prove-destination.ts";
import { probeServer } from "../../../src/mlflow/tracking/server-info.ts";
import { placeShared } from "../../../src/sync/files/place-shared.ts";
import { mlflow, needsMlflow, readArtifact } from "../../support/mlflow.ts";
import type { MlflowKind } from "../../../scripts/mlflow/server.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { fileSource } from "../../support/file-source.ts";
import { connectQuickly, newRun } from "../../support/quick-connection.ts";

const live = needsMlflow(test);

for (const kind of ["proxied", "shared"] satisfies MlflowKind[])
  live(
    `on the ${kind} server's disk a marker shows and goes, and a file that is placed there is served with the same inode or clone`,
    async () => {
      const connection = connectQuickly(mlflow[kind].uri);
      const run = await newRun(connection);
      const directory = directoryOn(mlflow[kind].artifacts, destinationOf(connection, run.artifactUri) as OnDisk);
      expect(await provesDestination(connection, run.id, directory)).toBe(true);
      expect(existsSync(directory)).toBe(false);
      expect(await listArtifacts(connection, run.id)).toEqual(new Map());

      using root = temporaryRoot();
      await placeShared(directory, "models/m.pt", fileSource(root.at("blob"), "weights"), "auto");
      await placeShared(directory, "empty", fileSource(root.at("nothing"), ""), "auto");
      expect(await listArtifacts(connection, run.id)).toEqual(
        new Map([
          ["models/m.pt", 7],
          ["empty", 0],
        ]),
      );
      expect(Buffer.from(await readArtifact(mlflow[kind], run.id, "models/m.pt")).toString()).toBe("weights");
      expect(await provesDestination(connection, run.id, directory)).toBe(true);
      expect(readdirSync(directory).sort()).toEqual(["empty", "models"]);
    },
  );

live("what a process that was killed while it proved left behind is taken away by the next one, and that of a live one stays", async () => {
  const connection = connectQuickly(mlflow.shared.uri);
  const run = await newRun(connection);
  const directory = directoryOn(mlflow.shared.artifacts, destinationOf(connection, run.artifactUri) as OnDisk);
  mkdirSync(directory, { recursive: true });
  const owners = { dead: { ...self(), start: "1" }, live: self(), elsewhere: { ...self(), host: "elsewhere" } };
  for (const [name, owner] of Object.entries(owners)) writeFileSync(join(directory, `coffer-probe-${name}`), JSON.stringify(owner));
  writeFileSync(join(directory, "coffer-probe-of-a-user"), "not ours");
  expect(await provesDestination(connection, run.id, directory)).toBe(true);
  expect(readdirSync(directory).sort()).toEqual(["coffer-probe-elsewhere", "coffer-probe-live", "coffer-probe-of-a-user"]);
});

live("a directory that the server does not look at proves nothing and is left as it was", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  const run = await newRun(connection);
  using root = temporaryRoot();
  expect(await provesDestination(connection, run.id, root.at("a/b/c"))).toBe(false);
  expect(readdirSync(root.path)).toEqual([]);
  writeFileSync(root.at("file"), "x");
  expect(await provesDestination(connection, run.id, root.at("file"))).toBe(false);
  expect(await provesDestination(connection, run.id, root.at("file/below"))).toBe(false);
  expect(await provesDestination(connection, run.id, "/proc/nowhere")).toBe(false);
});

live("the server says its version and what it can do", async () => {
  expect(await probeServer(connectQuickly(mlflow.proxied.uri))).toEqual({
    version: expect.stringMatching(/^3\.\d+\.\d+/),
    multipartUploads: false,
    multipartDownloads: false,
    presignedUploads: true,
    workspaces: false,
  });
});
