export const RULES = ["removed", "failed-runs", "versions", "age", "size", "purge"] as const;
/** A rule's word, the same here, in a plan, and on the screen. */
export type Rule = (typeof RULES)[number];
export type Counts = Partial<Record<Rule, number>>;

/** When the bytes of the artifact `a` were last used. */
const LAST_USED = "max(a.created_at, ifnull((SELECT last_used FROM blob_uses WHERE blob = a.blob), 0))";
/** What goes with the rule of the garbage `g`. */
export const DETAIL = `iif(g.rule = 'size', ${LAST_USED}, iif(g.rule = 'age', a.created_at, g.detail))`;
