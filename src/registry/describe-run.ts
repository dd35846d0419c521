import * as damage from "../db/bytes/damage.ts";
import * as artifacts from "../db/records/artifacts.ts";
import * as events from "../db/records/events.ts";
import type { EventRow } from "../db/records/events.ts";
import * as inputs from "../db/records/run-inputs.ts";
import * as outbox from "../db/delivery/outbox.ts";
import * as params from "../db/records/params.ts";
import { lacksOutputs } from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import * as tags from "../db/records/tags.ts";
import { lostWrapper } from "../store/lost-wrapper.ts";
import type { Store } from "../store/store.ts";
import { latestMetrics, runOf, summarizeArtifact, time } from "./describe.ts";
import type { ArtifactSummary } from "./describe.ts";

export interface RunSummary {
  id: string;
  name: string | null;
  kind: string;
  state: string;
  started_at: string;
  ended_at: string | null;
  seconds: number | null;
  exit_code: number | null;
  signal: string | null;
  command: string[] | null;
  pipeline: string | null;
  dataset: string | null;
  /** An artifact of it is. */
  damaged: boolean;
  /** Something of it that should have been stored could not be. */
  incomplete: boolean;
  /** It goes on, and its wrapper has died. */
  wrapper_lost: boolean;
}

export interface RunRecord extends RunSummary {
  parent: string | null;
  adopted: boolean;
  directory: string | null;
  host: string | null;
  user: string | null;
  policy: string | null;
  workspace: string | null;
  workspace_state: string | null;
  branch_path: number[];
  step_index: number | null;
  sub_step: number | null;
  fold_id: number | null;
  code: { commit: string | null; branch: string | null; remote: string | null; dirty: boolean | null };
  resources: { cpu_user_ms: number | null; cpu_system_ms: number | null; max_rss: number | null };
  environment: unknown;
  configuration: unknown;
  note: string | null;
  params: Record<string, string>;
  metrics: Record<string, number | string>;
  tags: Record<string, string>;
  inputs: { artifact: string | null; path: string | null; digest: string; size: number; how: string; changed: boolean }[];
  artifacts: ArtifactSummary[];
  deliveries: {
    target: string;
    experiment: string;
    state: string;
    remote_run: string | null;
    /** The command was told of the run on the server. */
    attached: boolean;
    waiting: number;
    last_error: string | null;
  }[];
  events: EventRow[];
}

/** `hurt`: runs that have damaged artifacts, see `damage.runs`. */
export function summarizeRun(store: Store, row: RunRow, hurt: ReadonlySet<number>): RunSummary {
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    state: row.state,
    started_at: time(row.started_at) as string,
    ended_at: time(row.ended_at),
    seconds: row.ended_at === null ? null : (row.ended_at - row.started_at) / 1000,
    exit_code: row.exit_code,
    signal: row.signal,
    command: row.command === null ? null : (JSON.parse(row.command) as string[]),
    pipeline: row.pipeline,
    dataset: row.dataset,
    damaged: hurt.has(row.seq),
    incomplete: row.state !== "running" && lacksOutputs(store.db, row.seq),
    wrapper_lost: row.state === "running" && lostWrapper(store, row.seq) !== undefined,
  };
}

export function describeRun(store: Store, row: RunRow): RunRecord {
  const hurt = damage.allWithDirectories(store.db);
  return {
    ...summarizeRun(store, row, damage.runs(store.db)),
    parent: row.parent === null ? null : runOf(store, row.parent).id,
    adopted: row.adopted === 1,
    directory: row.directory,
    host: row.host,
    user: row.user,
    policy: row.policy,
    workspace: row.workspace === null ? null : store.path(row.workspace),
    workspace_state: row.workspace_state,
    branch_path: JSON.parse(row.branch) as number[],
    step_index: row.step,
    sub_step: row.sub_step,
    fold_id: row.fold,
    code: {
      commit: row.code_commit,
      branch: row.code_branch,
      remote: row.code_remote,
      dirty: row.code_dirty === null ? null : row.code_dirty === 1,
    },
    resources: { cpu_user_ms: row.cpu_user_ms, cpu_system_ms: row.cpu_system_ms, max_rss: row.max_rss },
    environment: JSON.parse(row.environment),
    configuration: JSON.parse(row.configuration),
    note: row.note,
    params: params.ofRun(store.db, row.seq),
    metrics: latestMetrics(store, row.seq),
    tags: tags.of(store.db, "run", row.seq),
    inputs: inputs.ofRun(store.db, row.seq).map((input) => ({
      artifact: input.artifact === null ? null : (artifacts.bySeq(store.db, input.artifact)?.id ?? null),
      path: input.path,
      digest: input.digest,
      size: input.size,
      how: input.how,
      changed: input.changed === 1,
    })),
    artifacts: artifacts.ofRun(store.db, row.seq, "kept").map((artifact) => summarizeArtifact(store, artifact, { run: row.id, hurt })),
    deliveries: outbox.deliveriesOf(store.db, row.seq).map((delivery) => ({
      target: delivery.target,
      experiment: delivery.experiment,
      state: delivery.state,
      remote_run: delivery.remote_run,
      attached: delivery.attached === 1,
      waiting: outbox.entries(store.db, delivery.seq).filter((entry) => entry.settled_at === null).length,
      last_error: delivery.last_error,
    })),
    events: events.ofRun(store.db, row.seq),
  };
}
