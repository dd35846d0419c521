import { delimiter, dirname, join } from "node:path";
import { readFileSync } from "node:fs";
import { binary, cleanEnvironment, coffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const examples = join(import.meta.dir, "../../examples");

/** For a whole script: some dozen processes, one after the other. Milliseconds. */
export const PATIENCE = 60_000;

/** An example that was run, and the store that it left. */
export interface Example extends Disposable {
  /** What `run.sh` printed, words and data. */
  output: string;
  /** Runs it again, into the same store. */
  again(): Promise<void>;
  json<T>(...words: string[]): Promise<T>;
  /** The lines that a command prints. */
  lines(...words: string[]): Promise<string[]>;
}

/** Runs `examples/<name>/run.sh` with the compiled binary, in an empty directory. A script that fails is an error. */
export async function runExample(name: string): Promise<Example> {
  const root = temporaryRoot();
  const options = { root: root.at("store"), cwd: root.path };
  const run = async (): Promise<string> => {
    const clean = cleanEnvironment();
    const env = { ...clean, PATH: [dirname(binary()), clean["PATH"]].join(delimiter), COFFER_ROOT: options.root };
    const script = Bun.spawn(["sh", "-c", `exec sh "$0" 2>&1`, join(examples, name, "run.sh")], {
      cwd: root.path,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const output = await script.stdout.text();
    if ((await script.exited) !== 0) throw new Error(`${name}/run.sh ended with ${script.exitCode ?? script.signalCode}:\n${output}`);
    return output;
  };
  const output = await run();
  return {
    output,
    again: async () => void (await run()),
    json: async <T>(...words: string[]) => (await coffer([...words, "--json"], options)).json<T>(),
    lines: async (...words) => (await coffer(words, options)).stdout.trimEnd().split("\n"),
    [Symbol.dispose]: () => root[Symbol.dispose](),
  };
}

/** A module of the examples, to compute directly what a pipeline computed in steps. */
export async function moduleOf<T>(path: string): Promise<T> {
  return (await import(join(examples, path))) as T;
}

export function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

/** The rows of a table, by its head. */
export function readTable(path: string): Record<string, string>[] {
  const [head = "", ...lines] = readFileSync(path, "utf8").trimEnd().split("\n");
  const columns = head.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((cell, index) => [columns[index] as string, cell])));
}

export interface Penguin {
  species: string;
  features: number[];
}
