import { expect, test } from "bun:test";
import { ensureExperiment, findExperiment, getExperiment } from "../../../src/mlflow/tracking/experiments.ts";
import { mlflow, needsMlflow } from "../../support/mlflow.ts";
import { faultyProxy } from "../../support/faulty-proxy.ts";
import { connectQuickly } from "../../support/quick-connection.ts";

const live = needsMlflow(test);
const newName = (): string => `exp “é” & 'q' "d" ${Bun.randomUUIDv7()}`;
const post = (path: string, body: unknown): Promise<Response> =>
  fetch(`${mlflow.proxied.uri}/api/2.0/mlflow/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

live("an experiment is made once, and found by its name and its id", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  const name = newName();
  expect(await findExperiment(connection, name)).toBeUndefined();
  const made = await ensureExperiment(connection, name);
  expect(made).toMatchObject({ name, lifecycle: "active" });
  expect(await ensureExperiment(connection, name)).toMatchObject(made);
  expect(await getExperiment(connection, made.id)).toMatchObject(made);
  expect(await getExperiment(connection, "987654321")).toBeUndefined();
});

live("eight that make one experiment at once all get the same", async () => {
  const name = newName();
  const made = await Promise.all(Array.from({ length: 8 }, () => ensureExperiment(connectQuickly(mlflow.proxied.uri), name)));
  expect(new Set(made.map(({ id }) => id)).size).toBe(1);
});

live("an experiment whose making was not answered is found at the second try", async () => {
  await using proxy = await faultyProxy(mlflow.proxied.uri, (request, nth) =>
    request.endsWith("/create") && nth === 1 ? { reset: "answer" } : undefined,
  );
  const name = newName();
  const made = await ensureExperiment(connectQuickly(proxy.uri), name);
  expect(await findExperiment(connectQuickly(mlflow.proxied.uri), name)).toEqual(made);
});

live("a deleted experiment is reported with its id and not made again, or restored for those who ask", async () => {
  const connection = connectQuickly(mlflow.proxied.uri);
  const { id, name } = await ensureExperiment(connection, newName());
  await post("experiments/delete", { experiment_id: id });
  expect(await findExperiment(connection, name)).toEqual({ id, name, lifecycle: "deleted", artifactLocation: expect.any(String) });
  const error: unknown = await ensureExperiment(connection, name).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "SERVER_REFUSED" });
  expect((error as Error).message).toContain(`(${id}) is deleted`);
  expect((error as { hint: string }).hint).toContain("--restore");
  expect(await ensureExperiment(connection, name, true)).toMatchObject({ id, lifecycle: "active", restored: true });
  expect(await ensureExperiment(connection, name, true)).toEqual({ id, name, lifecycle: "active", artifactLocation: expect.any(String) });
});

test("a name that MLflow cannot keep is refused before anything is sent", async () => {
  const nowhere = connectQuickly("http://127.0.0.1:1");
  for (const name of ["", "x".repeat(501), "a\0b", "\ud800"])
    expect(await ensureExperiment(nowhere, name).catch((error: unknown) => error)).toMatchObject({ code: "NAME_INVALID" });
});
