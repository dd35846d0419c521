import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import * as aliases from "../../../src/db/records/aliases.ts";
import * as artifacts from "../../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../../src/db/records/artifacts.ts";
import * as blobs from "../../../src/db/bytes/blobs.ts";
import * as leases from "../../../src/db/bytes/leases.ts";
import * as metaSources from "../../../src/db/records/meta-sources.ts";
import * as outbox from "../../../src/db/delivery/outbox.ts";
import * as pins from "../../../src/db/records/pins.ts";
import { itemsOf } from "../../../src/gc/plan/gc-plan.ts";
import { planGc } from "../../../src/gc/plan/plan.ts";
import { PURGE_RULES } from "../../../src/gc/plan/rules.ts";
import type { GcRules } from "../../../src/gc/plan/rules.ts";
import { sweep } from "../../../src/gc/apply/sweep.ts";
import { explainBytes } from "../../../src/gc/why/why-bytes.ts";
import { explain, openWhy } from "../../../src/gc/why/why.ts";
import { takeLease } from "../../../src/store/lease.ts";
import { DAY, HOUR, openTestStore } from "../../support/store.ts";
import type { TestStore } from "../../support/store.ts";

const NONE: GcRules = { ...PURGE_RULES, grace: HOUR };

function why(t: TestStore, artifact: ArtifactRow, rules: Partial<GcRules> = {}) {
  openWhy(t.store, { thoroughly: true });
  return explain(t.store, t.again(artifact), { ...NONE, ...rules });
}

const reasons = (t: TestStore, artifact: ArtifactRow, rules?: Partial<GcRules>): string[] =>
  why(t, artifact, rules).keeps.map(({ because }) => because);

test("all that protects an artifact is named", async () => {
  using t = await openTestStore();
  const model = await t.add({ name: "model" });
  const report = await t.add({ name: "report", dependsOn: [model] });
  pins.set(t.store.db, model.seq, "the paper", t.now);
  aliases.set(t.store.db, "model", "best", model.seq, t.now);
  leases.holdBlob(t.store.db, takeLease(t.store, "read").seq, model.blob as number);
  const delivery = outbox.open(t.store.db, { run: model.run, target: "http://mlflow", experiment: "Default", at: t.now });
  outbox.enqueueArtifact(t.store.db, delivery, model.seq);
  t.now += 5000;
  expect(reasons(t, model).toSorted()).toEqual([
    "an alias points at it (best)",
    "it is pinned (the paper)",
    "it is the newest version of its name",
    "not delivered to http://mlflow yet",
    expect.stringMatching(new RegExp(`^process ${process.pid}.* was given it, which holds for an hour at least \\(read\\)$`)),
    "report@v1 was made from it, which stays: it is the newest version of its name",
  ]);
  expect(reasons(t, model, { forgetUnsynced: true })).not.toContain("not delivered to http://mlflow yet");
  expect(reasons(t, report)).toEqual(["it is the newest version of its name"]);
});

test("the way through what was made from it leads to what stays by itself", async () => {
  using t = await openTestStore();
  const data = await t.add({ name: "data" });
  const model = await t.add({ name: "model", dependsOn: [data] });
  const report = await t.add({ name: "report", dependsOn: [model] });
  for (const name of ["data", "model", "report"]) await t.add({ name });
  expect(why(t, data, { maxVersions: 1 })).toMatchObject({ keeps: [], goes: true });
  pins.set(t.store.db, report.seq, null, t.now);
  const { keeps, condemned, goes } = why(t, data, { maxVersions: 1 });
  expect(keeps).toEqual([
    {
      by: "dependent",
      because: "model@v1 was made from it, and report@v1 in the end, which stays: it is pinned",
      through: ["model@v1", "report@v1"],
    },
  ]);
  expect([condemned, goes]).toEqual([{ rule: "versions", why: "1 newer version (1 is kept)" }, false]);
  // no rule takes the model when there is none, so it keeps the data
  expect(reasons(t, data)).toEqual(["model@v1 was made from it, which stays: no rule takes it"]);
});

test("without protection it tells the rule that takes it, or what would have to happen", async () => {
  using t = await openTestStore();
  const old = await t.add({ name: "model", age: 91 * DAY });
  const young = await t.add({ name: "model", age: 89 * DAY });
  const newest = await t.add({ name: "model", age: 900 * DAY });
  const rules = { maxAge: 90 * DAY, maxVersions: 10 };
  expect(why(t, old, rules)).toMatchObject({ goes: true, condemned: { rule: "age" }, until: null });
  expect(why(t, young, rules)).toMatchObject({
    goes: false,
    condemned: null,
    until: `a rule takes it from ${new Date(t.now + DAY).toISOString()} on (max age 90 d 0 h), or after 9 more versions of its name (10 are kept)`,
  });
  expect(why(t, newest, rules)).toMatchObject({ goes: false, condemned: null });
  expect(why(t, old)).toMatchObject({ goes: false, until: "no rule that holds would take it" });
});

test("what rm took away goes after the grace, and what a failed run registered by its rule", async () => {
  using t = await openTestStore();
  const removed = await t.add({ name: "model" });
  artifacts.setState(t.store.db, removed.seq, "removed", t.now);
  expect(why(t, removed)).toMatchObject({
    keeps: [],
    goes: false,
    until: expect.stringContaining(`from ${new Date(t.now + HOUR).toISOString()} on`),
  });
  const withdrawn = await t.add({ run: t.run({ state: "failed" }) });
  artifacts.setState(t.store.db, withdrawn.seq, "withdrawn", t.now);
  expect(why(t, withdrawn)).toMatchObject({ goes: false, until: expect.stringContaining("gc --failed-runs takes it") });
  t.now += HOUR;
  expect(why(t, removed)).toMatchObject({ goes: true, condemned: { rule: "removed" } });
});

test("of a deleted one it tells when and by which rule, also by its digest", async () => {
  using t = await openTestStore();
  const old = await t.add({ name: "model" });
  await t.add({ name: "model" });
  await sweep(t.store, planGc(t.store, { ...NONE, maxVersions: 1 }), () => false);
  const deleted = { at: new Date(t.now).toISOString(), message: "gc deleted model@v1: 1 newer version (1 is kept)" };
  expect(why(t, old)).toMatchObject({ state: "deleted", keeps: [], goes: false, deleted });
  expect(explainBytes(t.store, old.digest.slice(0, 20), NONE)).toMatchObject({
    bytes: { state: "gone", path: null, size: old.size },
    artifacts: [{ artifact: "model@v1", deleted }],
  });
});

test("of a digest or a file it tells who has these bytes", async () => {
  using t = await openTestStore();
  const inside = await t.add({ name: "data", files: { a: "common", b: "other" } });
  const alone = await t.add({ name: "copy", bytes: "common" });
  openWhy(t.store, { thoroughly: true });
  const { path } = blobs.bySeq(t.store.db, alone.blob as number) as blobs.BlobRow;
  for (const ref of [alone.digest, path as string, t.store.path(path as string)])
    expect(explainBytes(t.store, ref, NONE)).toMatchObject({
      bytes: { digest: alone.digest, path, state: "live", goes: null },
      artifacts: [{ artifact: "data@v1" }, { artifact: "copy@v1" }],
    });
  expect(explainBytes(t.store, inside.name as string, NONE)).toBeUndefined();
  artifacts.entomb(t.store.db, alone.seq, t.now);
  artifacts.entomb(t.store.db, inside.seq, t.now);
  blobs.insertMembers(t.store.db, inside.blob as number, []);
  expect(explainBytes(t.store, inside.digest, NONE)?.bytes.goes).toContain("no artifact names them");
});

test("of a stray file it tells what keeps it, or that it goes", async () => {
  using t = await openTestStore();
  await t.add();
  writeFileSync(t.store.path("binaries/default/stray"), "stray");
  openWhy(t.store, { thoroughly: true });
  expect(explainBytes(t.store, "binaries/default/stray", NONE)?.bytes).toMatchObject({ digest: null, state: "stray", goes: null });
  t.now += 2 * HOUR;
  expect(explainBytes(t.store, "binaries/default/stray", NONE)?.bytes).toMatchObject({
    keeps: [],
    goes: expect.stringContaining("takes it"),
  });
  const keeps = (rules: Partial<GcRules> = {}) => explainBytes(t.store, "binaries/default/stray", { ...NONE, ...rules })?.bytes;
  expect(keeps({ orphans: false })).toMatchObject({ keeps: [expect.stringContaining("cleanup_policy.orphans")], goes: null });
  mkdirSync(t.store.path("manifests"), { recursive: true });
  writeFileSync(t.store.path("manifests/lost.yaml"), "");
  openWhy(t.store, { thoroughly: false });
  expect(keeps()).toMatchObject({ keeps: [expect.stringContaining("gc is stopped: manifests/lost.yaml tells of a run")], goes: null });
  for (const path of ["binaries/default/none", "binaries/../coffer.db", `${t.store.root}/binaries/../coffer.db`])
    expect(() => explainBytes(t.store, path, NONE)).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
});

test("of what a plan keeps it promises nothing", async () => {
  using t = await openTestStore();
  const old = await t.add({ name: "model" });
  await t.add({ name: "model" });
  const other = await t.add();
  artifacts.entomb(t.store.db, other.seq, t.now);
  mkdirSync(t.store.path("manifests"), { recursive: true });
  writeFileSync(t.store.path("manifests/lost.yaml"), "");
  expect(why(t, old, { maxVersions: 1 })).toMatchObject({ keeps: [{ by: "stopped" }], condemned: { rule: "versions" }, goes: false });
  expect(explainBytes(t.store, other.digest, NONE)?.bytes).toMatchObject({ keeps: [expect.stringContaining("gc is stopped")], goes: null });
});

test("what something keeps, a rule would take", async () => {
  using t = await openTestStore();
  const old = await t.add({ name: "model", age: DAY });
  await t.add({ name: "model" });
  aliases.set(t.store.db, "model", "best", old.seq, t.now);
  expect(why(t, old, { maxVersions: 2 }).until).toBe("a rule would take it after 1 more version of its name (2 are kept)");
});

test("where too much was made from something, it does not say that it goes", async () => {
  using t = await openTestStore();
  const origin = await t.add();
  artifacts.setState(t.store.db, origin.seq, "removed", t.now - DAY);
  t.store.transaction(() => {
    t.store.db.run(
      `WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10100)
       INSERT INTO artifacts (uid, id, run, version, state, state_at, role, kind, blob, digest, size, mode, path, type, created_at)
       SELECT 'u' || n, 'i' || n, run, n, 'removed', 0, role, kind, blob, digest, size, mode, path, type, 0 FROM n, artifacts WHERE seq = ${origin.seq}`,
    );
    t.store.db.run(
      `INSERT INTO edges (artifact, dependency, position, implicit) SELECT seq, ${origin.seq}, 0, 0 FROM artifacts WHERE uid LIKE 'u%'`,
    );
  });
  expect(why(t, origin)).toMatchObject({ keeps: [], condemned: { rule: "removed" }, goes: null });
});

test("it says of each artifact what a plan does with it", async () => {
  using t = await openTestStore();
  const { db } = t.store;
  const made: ArtifactRow[] = [];
  const lease = takeLease(t.store, "read");
  // versions of four names, each made from one or two that came before, some by way of a meta-model; some pinned, aliased, in use, to be delivered, or out of sight
  for (let nth = 0; nth < 90; nth++) {
    const earlier = [made[(nth * 7) % 31], made[(nth * 13) % 47]].filter((row) => row !== undefined) as ArtifactRow[];
    const dependsOn = nth % 3 === 1 ? [...new Set(earlier)] : [];
    const one = await t.add({ ...(nth % 5 !== 4 && { name: `name-${nth % 5}` }), age: (90 - nth) * 3 * DAY, dependsOn });
    made.push(one);
    if (nth % 9 === 5)
      metaSources.insert(
        db,
        one.seq,
        earlier.map(({ seq }) => seq),
      );
    if (nth % 31 === 5) pins.set(db, one.seq, null, t.now);
    if (nth % 29 === 6 && one.name !== null) aliases.set(db, one.name, `alias-${nth}`, one.seq, t.now);
    if (nth % 37 === 7) leases.holdBlob(db, lease.seq, one.blob as number);
    if (nth % 23 === 8)
      outbox.enqueueArtifact(db, outbox.open(db, { run: one.run, target: "http://mlflow", experiment: "Default", at: t.now }), one.seq);
    if (nth % 11 === 3) artifacts.setState(db, one.seq, "removed", t.now - (nth % 2) * DAY);
  }
  for (const given of [{}, { forgetUnsynced: true }]) {
    const rules = { ...NONE, maxVersions: 3, maxAge: 90 * DAY, ...given };
    const plan = planGc(t.store, rules);
    const going = [...plan.artifacts].map(({ seq }) => seq);
    const kept = new Set(
      [...plan.keptArtifacts].map(({ because }) => because.replace(/^\S+ was made/, "something was made").replace(/ \(.*/, "")),
    );
    expect(going.length).toBeGreaterThan(5);
    expect([...kept].toSorted()).toEqual([
      "a process was given it, which holds for an hour at least",
      "an alias points at it",
      "it is pinned",
      ...("forgetUnsynced" in given ? [] : ["not delivered to http://mlflow yet"]),
      "something was made from it",
    ]);
    const told = made.filter((row) => why(t, row, rules).goes).map(({ seq }) => seq);
    expect(told).toEqual(going);
  }
});

test("what a meta-model was made from stays with it, also where it was made from others by the usual way", async () => {
  using t = await openTestStore();
  const [source, needed, loose] = [await t.add({ name: "a" }), await t.add({ name: "b" }), await t.add({ name: "c" })];
  for (const name of ["a", "b", "c"]) await t.add({ name });
  const meta = await t.add({ name: "meta", dependsOn: [needed] });
  metaSources.insert(t.store.db, meta.seq, [source.seq]);
  const rules = { ...NONE, maxVersions: 1 };
  const plan = planGc(t.store, rules);
  expect([...itemsOf(plan)].map(({ what }) => what)).toEqual(["c@v1"]);
  expect([...plan.keptArtifacts].map(({ what, because }) => [what, because])).toEqual([
    ["a@v1", "meta@v1 was made from it"],
    ["b@v1", "meta@v1 was made from it"],
  ]);
  for (const row of [source, needed, loose]) expect(why(t, row, rules).goes).toBe(row === loose);
});
