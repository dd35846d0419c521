import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { coffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const program = join(import.meta.dir, "../../examples/train/train.mjs");

test("the example learns to tell penguins apart, and the same seed gives the same bytes", async () => {
  using root = temporaryRoot();
  for (const name of ["one", "two"]) expect(await train({ COFFER_WORKSPACE: root.at(name) })).toBe(0);
  for (const file of ["model.json", "metrics.json", "predictions.csv", "report.svg"])
    expect(readFileSync(root.at("one", file), "utf8")).toBe(readFileSync(root.at("two", file), "utf8"));
  const metrics = JSON.parse(readFileSync(root.at("one/metrics.json"), "utf8")) as { loss: number[]; test: { accuracy: number } };
  expect(metrics.test.accuracy).toBeGreaterThan(0.95);
  expect(metrics.loss).toHaveLength(120);
  expect(metrics.loss.at(-1)).toBeLessThan(metrics.loss[0] as number);
});

test("coffer records what the example writes, and passes its failure on", async () => {
  using root = temporaryRoot();
  const options = { root: root.at("root"), cwd: root.path };
  const good = await coffer(["run", "--", "node", program, "--epochs", "20", "--seed", "7"], options);
  expect(good).toMatchObject({ code: 0 });
  const { runs } = (await coffer(["runs", "--json"], options)).json<{ runs: { id: string }[] }>();
  const shown = (await coffer(["show", String(runs[0]?.id), "--json"], options)).stdout;
  for (const recorded of ["learning_rate", "test.accuracy", "model.json", "checkpoints", "report.svg"]) expect(shown).toContain(recorded);

  const bad = await coffer(["run", "--", "node", program, "--fail-at", "2"], options);
  expect(bad.code).toBe(3);
  expect(bad.stderr).toContain("stopped, as --fail-at asked");
});

async function train(env: Record<string, string>): Promise<number> {
  return Bun.spawn(["node", program], { env: { PATH: process.env["PATH"] ?? "", ...env }, stdio: ["ignore", "ignore", "inherit"] }).exited;
}
