import type { DeliveryRow } from "../db/delivery/outbox.ts";
import type { RunRow } from "../db/records/runs.ts";
import { CofferError } from "../domain/error.ts";
import type { Connection } from "../mlflow/http/connection.ts";
import type { Experiment } from "../mlflow/tracking/experiments.ts";
import { ServerRefusal } from "../mlflow/http/refusal.ts";
import type { Store } from "../store/store.ts";
import type { RouteMemory } from "./files/route-memory.ts";
import type { Tally } from "./tally.ts";
import type { UploadRoom } from "./files/upload-room.ts";

/** Which runs are meant, by their seq; it may be asked again and again, and answer otherwise when a run has changed. */
export type RunSelection = Pick<ReadonlySet<number>, "has">;

/** What the steps of a delivery share: one server, one call of `deliver`. */
export interface Sync {
  readonly store: Store;
  readonly connection: Connection;
  /** The server's name in the outbox. */
  readonly target: string;
  /** MLFLOW_EXPERIMENT_ID: where runs go whose experiment nobody named. */
  readonly experimentId: string | undefined;
  /** MLFLOW_EXPERIMENT_NAME. */
  readonly experimentName: string | undefined;
  /** Uploads at once, and other things that are done side by side. */
  readonly jobs: number;
  /** For every file that is sent, whatever it belongs to. */
  readonly room: UploadRoom;
  /** Runs that go on are told as far as they are. */
  readonly live: boolean;
  /** MLFLOW_SKIP_ARTIFACT_LOGGING: no request about artifacts. */
  readonly skipArtifacts: boolean;
  /** What was deleted on the server is brought back. */
  readonly restore: boolean;
  /** Each file is read back, not only looked for by path and size. */
  readonly verifyBytes: boolean;
  /** seqs of outbox entries whose bytes were read back in this call. */
  readonly verified: Set<number>;
  /** Asked for once; a refusal is remembered as well. */
  readonly experiments: Map<string, Promise<Experiment>>;
  /** What was found out about the ways for files. */
  readonly routes: RouteMemory;
}

/** One run on its way. */
export interface Delivering {
  readonly sync: Sync;
  run: RunRow;
  /** As the database has it now. */
  delivery: DeliveryRow;
  readonly tally: Tally;
  /** What the server has of the run's files, asked for while its end was told: for the look that comes next. */
  listing?: Promise<Map<string, number>> | undefined;
}

/** The server cannot be reached or refuses whatever is asked, or time is up: no other request is worth a try now. Anything else concerns one step or one file. */
export function endsAll(error: unknown): boolean {
  if (error instanceof ServerRefusal) return error.everywhere;
  return !(error instanceof CofferError) || error.code === "SERVER_UNREACHABLE";
}

/**
 * Between pieces of work that need no network: is there time left?
 * @throws CofferError SERVER_UNREACHABLE; the signal's reason if it was interrupted
 */
export function checkTime({ connection: { signal, displayUri } }: Sync): void {
  if (!signal?.aborted) return;
  if (!(signal.reason instanceof DOMException) || signal.reason.name !== "TimeoutError") throw signal.reason;
  throw new CofferError("SERVER_UNREACHABLE", `${displayUri}: no time left (${signal.reason.message})`, {
    hint: "nothing is lost",
  });
}

/** Whether the same would happen again: the server said no, or cannot be told such a thing. */
export function isRefusal(error: CofferError): boolean {
  return ["SERVER_REFUSED", "VALUE_INVALID", "NAME_INVALID", "PATH_INVALID", "COLLISION"].includes(error.code);
}

/** What the database keeps of an error. */
export function inWords(error: CofferError): string {
  return error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
}
