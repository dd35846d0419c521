import { expect, test } from "bun:test";
import { remoteKey } from "../../src/mlflow/tracking/remote-key.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { say, seenOn, storeFor, sync, tellLater } from "../support/told.ts";

const live = needsMlflow(test);

live("a key that MLflow would take for a way out, or for another one's, keeps nothing else from arriving", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const name = remoteKey("k#1").key;
  const dots = remoteKey("..x").key;
  const values = { "k#1": "mapped", "..x": "dots", "...": "three", plain: "p" };
  const { run } = await tellLater(stored, {
    params: values,
    tags: values,
    metrics: Object.keys(values).map((key) => ({ key, value: 1, step: 0, time: 1 })),
  });
  expect(await sync(stored)).toMatchObject({ synced: 1, left: 0 });
  const [first] = await seenOn(mlflow.proxied.uri, run);
  expect(first).toMatchObject({
    params: { [name]: "mapped", [dots]: "dots", plain: "p" },
    tags: { [name]: "mapped", [dots]: "dots", plain: "p" },
    metrics: { [name]: [[0, 1]], [dots]: [[0, 1]], plain: [[0, 1]] },
  });

  // now the key of just that name, and one more of each
  say(stored, run, {
    params: { [name]: "real", later: "l" },
    tags: { [name]: "real", later: "l" },
    metrics: [name, "later"].map((key) => ({ key, value: 2, step: 1, time: 2 })),
  });
  const report = await sync(stored);
  expect(report).toMatchObject({ synced: 1, left: 0 });
  for (const kind of ["param", "tag", "metric"])
    expect(JSON.stringify(report)).toContain(`${kind} “k#1” and another one have the name “${name}” on the server`);
  const [seen] = await seenOn(mlflow.proxied.uri, run);
  expect(seen?.params).toMatchObject({ [name]: "mapped", later: "l" });
  expect(["mapped", "real"]).toContain(seen?.tags[name] as string);
  expect(seen?.tags["later"]).toBe("l");
  expect(seen?.metrics[name]?.toSorted()).toEqual([
    [0, 1],
    [1, 2],
  ]);
});

live("a name and a user that are given as tags are cut as the run's own are", async () => {
  using stored = await storeFor(mlflow.proxied.uri);
  const { run } = await tellLater(stored, { tags: { "mlflow.runName": "ü".repeat(400), "mlflow.user": "u".repeat(400), toString: "t" } });
  const report = await sync(stored);
  expect(report).toMatchObject({ synced: 1, left: 0 });
  expect(JSON.stringify(report)).toContain("tag “mlflow.runName” was cut to 250 characters");
  const [seen] = await seenOn(mlflow.proxied.uri, run);
  expect(seen).toMatchObject({
    name: "ü".repeat(250),
    tags: { "mlflow.runName": "ü".repeat(250), "mlflow.user": "u".repeat(256), toString: "t" },
  });
});
