import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { mlflow, needsMlflow, readArtifact, readBack, startMlflow } from "../support/mlflow.ts";
import type { MlflowPlace } from "../../scripts/mlflow/server.ts";

const live = needsMlflow(test);

live("the proxied server keeps what it is sent in the directory that the tests see", async () => {
  const run = await makeRun(mlflow.proxied, "proxied-example");
  expect(run.artifact_uri).toStartWith("mlflow-artifacts:/");
  await send(mlflow.proxied, `/api/2.0/mlflow-artifacts/artifacts/${run.experiment_id}/${run.run_id}/artifacts/a/b.txt`, "PUT", "hello");
  expect(await Bun.file(join(mlflow.proxied.artifacts, run.experiment_id, run.run_id, "artifacts/a/b.txt")).text()).toBe("hello");

  const [read, ...others] = await readBack(mlflow.proxied, "proxied-example");
  expect(others).toEqual([]);
  expect(read).toMatchObject({ run_id: run.run_id, status: "RUNNING", end_time: null, artifacts: { "a/b.txt": 5 } });
  expect(read?.metrics).toEqual({
    loss: [
      [0.5, 3, 1000],
      ["nan", 4, 2000],
    ],
  });
  expect(Buffer.from(await readArtifact(mlflow.proxied, run.run_id, "a/b.txt")).toString()).toBe("hello");
});

live("the shared server tells its clients to write to the directory themselves", async () => {
  const run = await makeRun(mlflow.shared, "shared-example");
  expect(run.artifact_uri).toBe(join(mlflow.shared.artifacts, run.experiment_id, run.run_id, "artifacts"));
});

live("a server of one's own can die, come back on its port with its runs, and leaves nothing behind", async () => {
  let directory: string;
  {
    await using server = await startMlflow();
    directory = server.directory;
    const run = await makeRun(server, "lasting");
    await server.kill();
    await expect(fetch(`${server.uri}/health`)).rejects.toThrow();
    await using again = await startMlflow({ directory, port: server.port });
    expect(again.uri).toBe(server.uri);
    expect((await readBack(again, "lasting"))[0]?.run_id).toBe(run.run_id);
  }
  expect(existsSync(directory)).toBe(false);
  expect(commandLines().filter((line) => line.includes(directory))).toEqual([]);
});

test("a server that cannot start says why", async () => {
  await using server = await startMlflow({ python: "/bin/false" }).catch((error: unknown) => ({ error, async [Symbol.asyncDispose]() {} }));
  expect(String("error" in server ? server.error : "")).toContain("ended with code");
});

interface Info {
  run_id: string;
  experiment_id: string;
  artifact_uri: string;
}

async function makeRun(place: Pick<MlflowPlace, "uri">, id: string): Promise<Info> {
  const made = await send(
    place,
    "/api/2.0/mlflow/runs/create",
    "POST",
    JSON.stringify({ experiment_id: "0", start_time: 1, tags: [{ key: "coffer.run_id", value: id }] }),
  );
  const { run } = made as { run: { info: Info } };
  const metrics = [
    { key: "loss", value: 0.5, step: 3, timestamp: 1000 },
    { key: "loss", value: "NaN", step: 4, timestamp: 2000 },
  ];
  await send(place, "/api/2.0/mlflow/runs/log-batch", "POST", JSON.stringify({ run_id: run.info.run_id, metrics }));
  return run.info;
}

async function send(place: Pick<MlflowPlace, "uri">, path: string, method: string, body: string): Promise<unknown> {
  const answer = await fetch(`${place.uri}${path}`, { method, body, headers: { "content-type": "application/json" }, keepalive: false });
  expect(answer.status).toBe(200);
  const text = await answer.text();
  return text === "" ? {} : JSON.parse(text);
}

function commandLines(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, "utf8")];
      } catch {
        return [];
      }
    });
}
