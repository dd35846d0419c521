import type { RetentionRule } from "./retention.ts";
import type { GcRules } from "./rules.ts";

/** One thing that goes. `rule` and `why` say for what reason; `bytes` is what only it frees, at once and after its pack was rewritten. */
export type GcItem = { rule: GcRule; what: string; why: string; bytes: number; bytes_after_repacking: number } & (
  | { kind: "artifact"; seq: number; state: "live" | "removed" | "withdrawn"; newer: number }
  | { kind: "blob"; seq: number }
  | { kind: "pack"; seq: number }
  | { kind: "file"; inode: number; changed: number }
  | { kind: "staging" }
  | { kind: "workspace"; run: number }
  | { kind: "delivery"; seq: number }
);
export type GcRule = RetentionRule | "unnamed" | "orphans" | "staging" | "workspaces" | "forget-unsynced";

/** A plan is a value: made once, shown, applied once. */
export interface GcPlan {
  schema: "coffer.gc/1";
  /** When it was made; milliseconds since 1970. */
  at: number;
  rules: GcRules;
  items: GcItem[];
  /** What a rule would have taken, and what keeps it. */
  kept: { rule: GcRule; what: string; because: string }[];
  /** Rows whose files are gone; nothing is done about them here. */
  missing: { digest: string; path: string }[];
  /** Packs that the sweep rewrites: more than half of their bytes are dead. */
  repack: { seq: number; path: string; bytes: number; live: number }[];
  totals: { items: number; bytes: number; bytes_after_repacking: number; kept: number };
  /** Of `maxSize`, where that rule is on. */
  limit: { bytes: number; stored: number; after: number; met: boolean } | null;
}
