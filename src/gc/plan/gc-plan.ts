import type { Rule } from "../../db/garbage/rule.ts";
import type { GcRules } from "./rules.ts";
import type { Stop } from "../strange-manifests.ts";

/** Which part of the store a plan looks at. */
export interface GcScope {
  /** null: all of them. */
  dataset: string | null;
  /** all: what the rules say; orphans: only what no row or no artifact names; purge: all of the dataset. */
  part: "all" | "orphans" | "purge";
}

/** `rule` and `why` say for what reason; `bytes` is what only this one frees, at once and after its pack was rewritten. */
interface Item {
  rule: GcRule;
  what: string;
  why: string;
  bytes: number;
  bytes_after_repacking: number;
}
export type ArtifactItem = Item & { kind: "artifact"; seq: number; state: "live" | "removed" | "withdrawn"; newer: number };
export type BlobItem = Item & { kind: "blob"; seq: number };
export type OtherItem = Item &
  (
    | { kind: "pack"; seq: number }
    | { kind: "file"; inode: number; changed: number }
    | { kind: "staging" }
    | { kind: "workspace"; run: number }
    | { kind: "delivery"; seq: number }
  );
/** One thing that goes. */
export type GcItem = ArtifactItem | BlobItem | OtherItem;
export type GcRule = Rule | "unnamed" | "orphans" | "staging" | "workspaces" | "forget-unsynced";

/** What a rule would have taken, and what keeps it. */
export interface Kept {
  rule: GcRule;
  what: string;
  because: string;
}

/** Rows that are put into words when they are read: a million of them would not fit into memory as words. */
export interface Described<T> extends Iterable<T> {
  count: number;
  first(most: number): T[];
}

export interface Going<T> extends Described<T> {
  /** The first `most` of each rule. */
  byRule(most: number): { rule: GcRule; count: number; first: T[] }[];
}

/**
 * A plan is a value: made once, shown, applied once. Its many rows are sets of the connection that made it, until that makes another plan.
 */
export interface GcPlan {
  schema: "coffer.gc/1";
  /** When it was made; milliseconds since 1970. */
  at: number;
  scope: GcScope;
  rules: GcRules;
  artifacts: Going<ArtifactItem>;
  blobs: Going<BlobItem>;
  others: OtherItem[];
  keptArtifacts: Described<Kept>;
  keptOthers: Kept[];
  /** Where there is one, nothing goes. */
  stopped: Stop[];
  /** Rows whose files are gone; nothing is done about them here. */
  missing: { digest: string; path: string; bytes: number }[];
  /** Packs that the sweep rewrites: more than half of their bytes are dead. */
  repack: { seq: number; path: string; bytes: number; live: number }[];
  /** What a purged dataset leaves to others, and the dataset where it goes. */
  rehouse: { what: string; from: string; dataset: string; bytes: number }[];
  totals: { items: number; bytes: number; bytes_after_repacking: number; kept: number };
  /** What `rm` took away, and the grace keeps: when the first and the last of it may go; milliseconds since 1970. */
  waiting: { items: number; first: number | null; last: number | null };
  /** Of `maxSize`, where that rule is on. */
  limit: { bytes: number; stored: number; after: number; met: boolean } | null;
}

/** All that goes. */
export function* itemsOf(plan: GcPlan): Generator<GcItem> {
  yield* plan.artifacts;
  yield* plan.blobs;
  yield* plan.others;
}

/** All that is kept although a rule condemns it. */
export function* keptOf(plan: GcPlan): Generator<Kept> {
  yield* plan.keptArtifacts;
  yield* plan.keptOthers;
}
