import { join } from "node:path";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { remoteKey } from "../../src/mlflow/tracking/remote-key.ts";
import { remoteName } from "../../src/mlflow/artifacts/remote-name.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";

const live = needsMlflow(test);

/** What MLflow's own functions say of each name: true, or why not. */
async function judge(names: readonly (readonly [kind: "key" | "path", name: string])[]): Promise<unknown[]> {
  const input = new Blob([names.map((name) => JSON.stringify(name)).join("\n")]);
  const child = Bun.spawn([mlflow.proxied.python, join(import.meta.dir, "validate_names.py")], { stdin: input, stdout: "pipe" });
  return (await child.stdout.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
}

const dots = fc.string({ unit: fc.constantFrom(..."./ x:-_@~\\%;?#"), minLength: 1, maxLength: 8 });
const ascii = fc.oneof(dots, fc.string({ minLength: 1, maxLength: 300 }));
const any = fc.oneof(dots, fc.string({ unit: "binary", minLength: 1, maxLength: 300 }));
const part = fc
  .oneof(dots, fc.string({ unit: "binary", minLength: 1, maxLength: 40 }))
  .map((text) => text.replace(/[/\0]/g, ""))
  .filter((text) => text !== "" && text !== "." && text !== "..");
const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
/** Each character of the first plane in the middle of a key. */
const characters = Array.from({ length: 0x10000 }, (_, code) => `a${String.fromCharCode(code)}b`);

live(
  "MLflow's own functions take every key and path that coffer gives, and none of ASCII is changed without need",
  async () => {
    const runs = { numRuns: 8000, seed: 20_261_121 };
    const plain = fc.sample(ascii, runs);
    const keys = [...plain, ...fc.sample(any, runs), ...characters].map((key) => ["key", remoteKey(key).key] as const);
    const paths = fc.sample(path, runs).map((given) => ["path", remoteName(given).path] as const);
    const answers = await judge([...keys, ...paths, ...plain.map((key) => ["key", key] as const)]);
    const mapped = [...keys, ...paths];
    expect(mapped.flatMap((name, index) => (answers[index] === true ? [] : [[name, answers[index]]]))).toEqual([]);
    const needless = plain.filter((key, index) => remoteKey(key).changed === (answers[mapped.length + index] === true));
    expect(needless).toEqual([]);
    expect(answers).toHaveLength(mapped.length + plain.length);
  },
  120_000,
);
