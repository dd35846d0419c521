import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { loadSettings } from "../../src/config/settings.ts";
import * as artifacts from "../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import * as runs from "../../src/db/records/runs.ts";
import type { NewRun, RunRow } from "../../src/db/records/runs.ts";
import { recordArtifact } from "../../src/registry/record.ts";
import { ingest } from "../../src/store/ingest/ingest.ts";
import { dropLease, takeLease } from "../../src/store/lease.ts";
import { openStore } from "../../src/store/store.ts";
import type { Store } from "../../src/store/store.ts";
import { temporaryRoot } from "./temporary-root.ts";

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export interface TestStore extends Disposable {
  readonly store: Store;
  /** Milliseconds since 1970: what the store takes for the present. Begins at the real one, moves when a test says so. */
  now: number;
  /** Does something as if it were `age` milliseconds ago. */
  ago<T>(age: number, work: () => T): T;
  run(given?: Partial<NewRun> & { state?: RunRow["state"] }): RunRow;
  add(given?: Given): Promise<ArtifactRow>;
  /** An artifact as its row stands now. */
  again(artifact: ArtifactRow): ArtifactRow;
}

export interface Given {
  name?: string;
  path?: string;
  run?: RunRow;
  dataset?: string;
  age?: number;
  dependsOn?: readonly ArtifactRow[];
  /** What the file holds; by default something that no other file does. */
  bytes?: string | Uint8Array;
  /** A directory instead, by path within. */
  files?: Record<string, string>;
}

/** A real store in a temporary directory, with a clock that a test can set. `set` holds configuration by dotted key. */
export async function openTestStore(set: Record<string, unknown> = {}): Promise<TestStore> {
  const root = temporaryRoot();
  const settings = await loadSettings({ flags: { root: root.at("store"), set }, env: {}, cwd: root.path });
  const clock = { now: Date.now() };
  const store = openStore(settings, { make: true, now: () => clock.now, say: () => undefined });
  let number = 0;
  const test: TestStore = {
    store,
    get now() {
      return clock.now;
    },
    set now(time) {
      clock.now = time;
    },
    ago(age, work) {
      clock.now -= age;
      try {
        return work();
      } finally {
        clock.now += age;
      }
    },
    run: ({ state = "finished", ...given } = {}) =>
      store.transaction(() => {
        const seq = runs.insert(store.db, { id: Bun.randomUUIDv7(), kind: "wrapped", started_at: test.now, ...given });
        if (state !== "running") runs.update(store.db, seq, { state, ended_at: given.ended_at ?? test.now });
        return runs.bySeq(store.db, seq) as RunRow;
      }),
    async add({ name, path = `file-${++number}`, age = 0, dependsOn = [], bytes = `bytes ${++number}`, files, run, dataset }: Given = {}) {
      const source = join(root.path, `source-${++number}`);
      for (const [inner, text] of Object.entries(files ?? {})) write(join(source, inner), text);
      if (!files) write(source, bytes);
      const owner = run ?? test.ago(age, () => test.run());
      const lease = takeLease(store, "ingest");
      const unit = { path, source, kind: files ? "tree" : "file", type: "file", class: null, typed: false, move: false } as const;
      const { result } = await ingest(store, lease, [unit], { dataset: dataset ?? "default" }, (admitted) =>
        admitted.map((one) =>
          test.ago(age, () =>
            recordArtifact(store, owner, one, { role: "output", name, dependsOn: dependsOn.map((artifact) => ({ artifact })), dataset }),
          ),
        ),
      );
      dropLease(store, lease);
      return result[0] as ArtifactRow;
    },
    again: (artifact) => artifacts.bySeq(store.db, artifact.seq) as ArtifactRow,
    [Symbol.dispose]() {
      store[Symbol.dispose]();
      root[Symbol.dispose]();
    },
  };
  return test;
}

function write(path: string, bytes: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}
