import { expect, test } from "bun:test";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import { itemsOf } from "../../../src/gc/plan/gc-plan.ts";
import { countOrphans } from "../../../src/gc/plan/orphans.ts";
import { planGc } from "../../../src/gc/plan/plan.ts";
import { PURGE_RULES } from "../../../src/gc/plan/rules.ts";
import { openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";

/** Gives an artifact and its bytes another number each. */
function moveTo({ store: { db } }: TestStore, { seq, blob }: ArtifactRow, far: { seq?: number; blob?: number }): void {
  db.run("PRAGMA foreign_keys = OFF");
  if (far.blob !== undefined) {
    db.query("UPDATE artifacts SET blob = ? WHERE blob = ?").run(far.blob, blob);
    db.query("UPDATE blobs SET seq = ? WHERE seq = ?").run(far.blob, blob);
  }
  if (far.seq !== undefined) db.query("UPDATE artifacts SET seq = ? WHERE seq = ?").run(far.seq, seq);
  db.run("PRAGMA foreign_keys = ON");
}

test("a number that no column has a place for is told as damage, and what mends it", async () => {
  for (const far of [{ seq: 2 ** 29 }, { blob: 2 ** 29 }, { blob: 2 ** 60 }]) {
    using t = await openTestStore();
    await t.add({ name: "model" });
    moveTo(t, await t.add({ name: "model" }), far);
    const told = expect.objectContaining({ code: "STORE_DAMAGED", hint: expect.stringContaining("coffer rebuild") });
    expect(() => planGc(t.store, { ...PURGE_RULES, maxVersions: 1 })).toThrow(told);
    expect(() => countOrphans(t.store, null)).toThrow(told);
  }
});

test("a number far from the others, too large to travel in pairs, is planned like any", async () => {
  using t = await openTestStore();
  const old = await t.add({ name: "model", bytes: "old" });
  moveTo(t, old, { blob: 2 ** 26 + 3 });
  await t.add({ name: "model" });
  const { totals, ...plan } = planGc(t.store, { ...PURGE_RULES, maxVersions: 1 });
  expect([...itemsOf({ totals, ...plan })]).toMatchObject([{ kind: "artifact", what: "model@v1", bytes: 3 }]);
  expect(totals).toMatchObject({ items: 1, bytes: 3 });
});
