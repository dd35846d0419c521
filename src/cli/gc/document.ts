import { itemsOf, keptOf } from "../../gc/plan/gc-plan.ts";
import type { GcItem, GcPlan, Kept } from "../../gc/plan/gc-plan.ts";

export interface PlanDocument {
  schema: "coffer.gc/1";
  at: number;
  rules: GcPlan["rules"];
  items: Iterable<GcItem>;
  kept: Iterable<Kept>;
  stopped: GcPlan["stopped"];
  missing: GcPlan["missing"];
  repack: GcPlan["repack"];
  totals: GcPlan["totals"];
  waiting: GcPlan["waiting"];
  limit: GcPlan["limit"];
}

/** The plan as `--json` has it: its items are read one by one. */
export function planDocument(plan: GcPlan): PlanDocument {
  const { schema, at, rules, stopped, missing, repack, totals, waiting, limit } = plan;
  return { schema, at, rules, items: itemsOf(plan), kept: keptOf(plan), stopped, missing, repack, totals, waiting, limit };
}

/** The same with all its items in memory. */
export function spelledOut<D extends Pick<PlanDocument, "items" | "kept">>(document: D): D & { items: GcItem[]; kept: Kept[] } {
  return { ...document, items: [...document.items], kept: [...document.kept] };
}
