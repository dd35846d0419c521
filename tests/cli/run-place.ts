import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { filesBelow } from "../../scripts/soak/files-below.ts";
import type { RunRecord, RunSummary } from "../../src/registry/describe-run.ts";
import type { ArtifactRecord } from "../../src/registry/describe.ts";
import { coffer } from "../support/coffer.ts";
import type { CofferOptions, CofferResult } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

/** A directory to work in, with a store below it that the binary makes when it is first needed. */
export interface Place extends Disposable {
  /** The working directory of every call. */
  readonly path: string;
  readonly root: string;
  at(...parts: string[]): string;
  write(path: string, text: string, mode?: number): string;
  /** `coffer ARGS…` here. */
  coffer(args: readonly string[], options?: CofferOptions): Promise<CofferResult>;
  /** `coffer run FLAGS… -- sh -c SCRIPT`, with `$W` for the workspace. */
  run(script: string, flags?: readonly string[], options?: CofferOptions): Promise<CofferResult>;
  /** The newest run, or that with this id. */
  shown(id?: string): Promise<RunRecord>;
  artifact(ref: string): Promise<ArtifactRecord>;
  runs(): Promise<RunSummary[]>;
  /** The digest of each artifact in sight, by its id, as rows have it; `verify` holds the bytes against it. */
  digests(): Promise<Record<string, string>>;
  /** The bytes of an artifact, as text. */
  bytes(ref: string): Promise<string>;
  /** Files in the store's `binaries/`, relative. */
  binaries(): string[];
  /** What is left in the store of processes: leases and staging. */
  leftovers(): string[];
}

export function place(): Place {
  const directory = temporaryRoot();
  const root = directory.at("artifacts");
  const call = (args: readonly string[], options: CofferOptions = {}): Promise<CofferResult> =>
    coffer(args, { cwd: directory.path, ...options, env: { COFFER_ROOT: root, ...options.env } });
  const json = async <T>(...args: string[]): Promise<T> => (await call([...args, "--json"])).json<T>();
  return {
    path: directory.path,
    root,
    at: directory.at,
    write(path, text, mode) {
      const file = directory.at(path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
      if (mode !== undefined) chmodSync(file, mode);
      return file;
    },
    coffer: call,
    run: (script, flags = [], options) => call(["run", ...flags, "--", "sh", "-c", `W=$COFFER_WORKSPACE\n${script}`], options),
    shown: async (id) =>
      json<RunRecord>("show", id ?? ((await json<{ runs: RunSummary[] }>("runs", "--limit", "1")).runs[0] as RunSummary).id),
    artifact: (ref) => json<ArtifactRecord>("show", ref),
    runs: async () => (await json<{ runs: RunSummary[] }>("runs", "--limit", "0")).runs,
    async digests() {
      const { artifacts } = await json<{ artifacts: { id: string; digest: string }[] }>("ls", "--limit", "0");
      return Object.fromEntries(artifacts.map(({ id, digest }) => [id, digest]));
    },
    bytes: async (ref) => readFileSync((await json<{ path: string }>("get", ref)).path, "utf8"),
    binaries: () => filesBelow(join(root, "binaries")),
    leftovers: () => filesBelow(join(root, "tmp"), true),
    [Symbol.dispose]: () => directory[Symbol.dispose](),
  };
}

/** What a record's events say, by kind. */
export function events(run: Pick<RunRecord, "events">, kind: string): string[] {
  return run.events.filter((event) => event.kind === kind).map((event) => event.message);
}

/** Paths of the artifacts of a run that are in sight, by role of its own or not. */
export function paths(run: RunRecord, state = "live"): string[] {
  return run.artifacts
    .filter((artifact) => artifact.state === state)
    .map((artifact) => artifact.path)
    .toSorted();
}
