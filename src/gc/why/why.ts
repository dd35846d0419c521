import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as events from "../../db/records/events.ts";
import { keepersOf } from "../../db/garbage/protection.ts";
import { dependents } from "../../db/garbage/sweeping.ts";
import * as whyKept from "../../db/garbage/why-kept.ts";
import { artifactRef } from "../../domain/artifact-ref.ts";
import { atOnce } from "../../domain/pause.ts";
import { countOf, formatDuration } from "../../domain/quantity.ts";
import type { Store } from "../../store/store.ts";
import { judge, keptWords, verdictWords } from "../plan/retention.ts";
import type { GcRules } from "../plan/rules.ts";
import { holding, openSets } from "../plan/sets.ts";
import { STOPPED, strangeArtifacts, strangeRuns } from "../strange-manifests.ts";
import type { Stop } from "../strange-manifests.ts";

/** One thing that keeps an artifact. */
export interface Keeping {
  /** `newest`, `pin`, `alias`, `lease`, `run`, `reader`, `undelivered`, `unverified`, `stopped`, or `dependent`. */
  by: string;
  because: string;
  /** Of a dependent: what was made from it, from one to the next, up to what stays by itself. */
  through: string[];
}

/** Why an artifact is there, or is not. */
export interface ArtifactWhy {
  artifact: string;
  state: ArtifactRow["state"];
  digest: string;
  size: number;
  keeps: Keeping[];
  /** The rule that condemns it; null where none does. */
  condemned: { rule: string; why: string } | null;
  /** The next gc that is applied takes it; null: too much was made from it to tell. */
  goes: boolean | null;
  /** What would have to happen for a rule to take it, by the rules that hold; times in ISO 8601. */
  until: string | null;
  deleted: { at: string; message: string } | null;
}

const MANY = 20;
const VISITED = 10_000;

/** Opens the sets that protection is asked of; before the first `explain`. `thoroughly`: manifests of known runs are read too, as gc does before it takes anything. */
export function openWhy(store: Store, { thoroughly }: { thoroughly: boolean }): void {
  const stops = strangeRuns(store);
  if (thoroughly && stops.length === 0) stops.push(...atOnce(strangeArtifacts(store)));
  openSets(store, stops.length > 0 ? stopWords(stops) : undefined);
}

function stopWords([first, ...more]: Stop[]): string {
  return `${STOPPED}: ${first?.because}${more.length > 0 ? ` (and ${more.length} more)` : ""}`;
}

/** Everything that keeps an artifact, and what the rules say of it. */
export function explain(store: Store, row: ArtifactRow, rules: GcRules): ArtifactWhy {
  const known = { artifact: artifactRef(row), state: row.state, digest: row.digest, size: row.size };
  if (row.state === "deleted") return { ...known, keeps: [], condemned: null, goes: false, until: null, deleted: deletionOf(store, row) };
  const dependent = dependentKeepers(store, row, rules);
  const keeps = [...ownKeepers(store, row, rules), ...dependent.keeps];
  const verdict = verdictOf(store, row, rules);
  return {
    ...known,
    keeps,
    condemned: verdict ? { rule: verdict.rule, why: verdictWords(verdict, rules, store.now()) } : null,
    goes: verdict === undefined || keeps.length > 0 ? false : dependent.areAll ? true : null,
    until: verdict ? null : untilWords(store, row, rules, keeps.length > 0),
    deleted: null,
  };
}

function deletionOf(store: Store, row: ArtifactRow): ArtifactWhy["deleted"] {
  const event = events.ofArtifact(store.db, row.seq).findLast(({ kind }) => kind === "deleted");
  return { at: new Date(row.state_at).toISOString(), message: event?.message ?? "gc deleted it" };
}

function verdictOf(store: Store, { seq, state }: ArtifactRow, rules: GcRules) {
  return judge({ ...whyKept.factsOf(store.db, seq), state: state as "live" | "removed" | "withdrawn" }, rules, store.now());
}

function ownKeepers(store: Store, row: ArtifactRow, rules: GcRules): Keeping[] {
  const keeps: Keeping[] = [];
  if (isNewest(store, row)) keeps.push({ by: "newest", because: "it is the newest version of its name", through: [] });
  const found = keepersOf(store.db, row.seq, rules.forgetUnsynced ? new Set(["undelivered"]) : new Set());
  for (const { by, because } of found) if (by !== "lease") keeps.push({ by, because, through: [] });
  if (found.some(({ by }) => by === "lease"))
    for (const words of leaseWords(store, row.blob as number)) keeps.push({ by: "lease", because: words, through: [] });
  return keeps;
}

function isNewest(store: Store, { seq, state }: ArtifactRow): boolean {
  return state === "live" && whyKept.factsOf(store.db, seq).newer === 0;
}

/** `process 4711 on host has used it for 3 m 20 s (read)`, for each lease that holds a blob and is not known to be dead. */
export function leaseWords(store: Store, blob: number): string[] {
  const alive = new Set(holding(store));
  return whyKept
    .leasesOn(store.db, blob)
    .filter(({ seq }) => alive.has(seq))
    .map((lease) => {
      const { pid, host } = JSON.parse(lease.child ?? lease.wrapper) as { pid?: number; host?: string };
      const who = `process ${pid ?? "?"}${host === undefined ? "" : ` on ${host}`}`;
      // a reader's lease is older than what it was given last
      if (lease.kind === "read") return `${who} was given it, which holds for an hour at least (${lease.kind})`;
      return `${who} uses it, since ${formatDuration(Math.max(0, store.now() - lease.taken_at))} (${lease.kind})`;
    });
}

/** For each thing that was made from it and leads to one that stays by itself: the shortest way there; and whether all that was made from it was looked at. */
function dependentKeepers(store: Store, row: ArtifactRow, rules: GcRules): { keeps: Keeping[]; areAll: boolean } {
  const keeps: Keeping[] = [];
  const cameFrom = new Map<number, number>([[row.seq, row.seq]]);
  for (const seq of cameFrom.keys()) {
    if (seq !== row.seq) {
      const because = staysByItself(store, seq, rules);
      if (because !== undefined) {
        const through = wayTo(store, seq, row.seq, cameFrom);
        keeps.push({
          by: "dependent",
          because: `${through[0]} was made from it${through.length > 1 ? `, and ${through.at(-1)} in the end` : ""}, which stays: ${because}`,
          through,
        });
        if (keeps.length === MANY) return { keeps, areAll: false };
        continue;
      }
    }
    // grows while it is read
    for (const dependent of dependents(store.db, seq)) if (!cameFrom.has(dependent)) cameFrom.set(dependent, seq);
    if (cameFrom.size > VISITED) return { keeps, areAll: false };
  }
  return { keeps, areAll: true };
}

function staysByItself(store: Store, seq: number, rules: GcRules): string | undefined {
  const row = artifacts.bySeq(store.db, seq) as ArtifactRow;
  return ownKeepers(store, row, rules)[0]?.because ?? (verdictOf(store, row, rules) ? undefined : "no rule takes it");
}

function wayTo(store: Store, seq: number, from: number, cameFrom: ReadonlyMap<number, number>): string[] {
  const way: string[] = [];
  for (let at = seq; at !== from; at = cameFrom.get(at) as number) way.unshift(artifactRef(artifacts.bySeq(store.db, at) as ArtifactRow));
  return way;
}

function untilWords(store: Store, row: ArtifactRow, rules: GcRules, isKept: boolean): string {
  const { newer, since } = whyKept.factsOf(store.db, row.seq);
  const on = (time: number): string => new Date(time).toISOString();
  if (row.state === "removed")
    return `${isKept ? "a rule would take" : "gc takes"} it from ${on(since + rules.grace)} on (grace ${formatDuration(rules.grace)}); coffer restore brings it back until then`;
  if (row.state === "withdrawn")
    return rules.failedRuns === null
      ? "its run failed; gc --failed-runs takes it, coffer restore brings it back"
      : `${isKept ? "a rule would take" : "gc takes"} it from ${on(since + rules.failedRuns)} on, since its run failed; coffer restore brings it back until then`;
  const ways = [
    rules.maxAge !== null && newer !== 0 && `from ${on(since + rules.maxAge)} on (max age ${formatDuration(rules.maxAge)})`,
    rules.maxVersions !== null &&
      newer !== null &&
      `after ${countOf(rules.maxVersions - newer, "more version")} of its name (${keptWords(rules.maxVersions)})`,
    rules.maxSize !== null && "when room is wanted (max size)",
  ].filter((way) => way !== false);
  return ways.length === 0 ? "no rule that holds would take it" : `a rule ${isKept ? "would take" : "takes"} it ${ways.join(", or ")}`;
}
