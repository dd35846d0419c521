import { existsSync, readdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { coffer } from "../support/coffer.ts";
import type { CofferResult } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

interface Orphans {
  items: { kind: string; what: string; bytes: number }[];
  kept: { what: string }[];
  totals: { items: number; bytes: number };
  applied: { deleted: { kind: string; what: string; bytes: number }[]; freed: number } | null;
}

/** A store with a model of dataset corn, one of wheat, and bytes that both have; and a way to call coffer on it. */
async function corn() {
  const root = temporaryRoot();
  const call = (...args: string[]): Promise<CofferResult> => coffer(args, { root: root.at("store"), cwd: root.path });
  for (const [file, name, dataset] of [
    ["corn model", "model", "corn"],
    ["both", "shared-a", "corn"],
    ["both", "shared-b", "wheat"],
    ["wheat model", "wheat-model", "wheat"],
  ] as const) {
    writeFileSync(root.at(file), file);
    expect(await call("log", file, "--name", name, "--dataset", dataset)).toMatchObject({ code: 0 });
  }
  return { root, call, [Symbol.dispose]: () => root[Symbol.dispose]() };
}

function plant(path: string, bytes: number): void {
  writeFileSync(path, "");
  truncateSync(path, bytes);
}

test("a stray file is listed with its size, shown by cleanup, and deleted with --force: the same list and bytes", async () => {
  using t = await corn();
  const stray = t.root.at("store/binaries/corn/stray.bin");
  plant(stray, 5000);
  const young = (await t.call("artifacts", "list-orphaned", "--json")).json<Orphans>();
  expect([young.items, young.kept.map(({ what }) => what)]).toEqual([[], ["binaries/corn/stray.bin"]]);

  const item = { kind: "file", what: "binaries/corn/stray.bin", why: "no row names it", bytes: 5000, bytes_after_repacking: 0 };
  const listed = (await t.call("artifacts", "list-orphaned", "--grace", "0", "--json")).json<Orphans>();
  expect(listed.items).toEqual([item]);
  const shown = await t.call("artifacts", "cleanup", "--grace", "0");
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringMatching(/binaries\/corn\/stray\.bin +5000 /) });
  expect(shown.stderr).toContain("nothing was deleted");
  expect(
    (await t.call("artifacts", "cleanup", "--grace", "0", "--dataset", "wheat", "--force", "--json")).json<Orphans>().applied?.deleted,
  ).toEqual([]);
  expect(existsSync(stray)).toBe(true);

  const done = (await t.call("artifacts", "cleanup", "--grace", "0", "--force", "--json")).json<Orphans>();
  expect(done.items).toEqual(listed.items);
  expect(done.applied).toMatchObject({ deleted: [{ kind: "file", what: item.what, bytes: 5000 }], freed: 5000 });
  expect(existsSync(stray)).toBe(false);
  expect(await t.call("verify")).toMatchObject({ code: 0 });
});

test("a half-written manifest stops the cleanup until it is set aside", async () => {
  using t = await corn();
  plant(t.root.at("store/binaries/corn/stray.bin"), 5000);
  writeFileSync(t.root.at("store/manifests/0190.yaml"), 'schema_version: "2.0"\nartifacts:\n  items:\n    - artifact_id: "x');
  for (const words of [
    ["artifacts", "cleanup", "--force"],
    ["gc", "--apply"],
  ])
    expect(await t.call(...words, "--grace", "0")).toMatchObject({ code: 5, stderr: expect.stringContaining("manifests/0190.yaml.aside") });
  expect(existsSync(t.root.at("store/binaries/corn/stray.bin"))).toBe(true);
  rmSync(t.root.at("store/manifests/0190.yaml"));
  expect(await t.call("artifacts", "cleanup", "--grace", "0", "--force")).toMatchObject({ code: 0 });
  expect(existsSync(t.root.at("store/binaries/corn/stray.bin"))).toBe(false);
});

test("rows whose files are gone are listed and stay; bytes that no artifact names are listed and go", async () => {
  using t = await corn();
  const directory = t.root.at("store/binaries/wheat");
  const [file = ""] = readdirSync(directory);
  rmSync(`${directory}/${file}`);
  const { missing } = (await t.call("artifacts", "list-orphaned", "--json")).json<{ missing: { path: string; bytes: number }[] }>();
  expect(missing).toEqual([
    { digest: expect.stringMatching(/^blake3:/), path: `binaries/wheat/${file}`, bytes: "wheat model".length },
  ] as never);
  expect(await t.call("artifacts", "cleanup", "--grace", "0", "--force")).toMatchObject({
    code: 0,
    stdout: expect.stringContaining("they stay"),
  });
  expect(await t.call("show", "wheat-model")).toMatchObject({ code: 0 });
});

test("stats of a dataset are right from a fresh process", async () => {
  using t = await corn();
  plant(t.root.at("store/binaries/corn/stray.bin"), 5000);
  expect((await t.call("artifacts", "stats", "--json")).json()).toMatchObject({
    dataset: null,
    references: 4,
    unique: 3,
    ratio: 0.25,
    logical: 29,
    stored: 25,
    by_type: [{ key: "file", artifacts: 4, bytes: 29 }],
    orphans: { files: 1, bytes: 5000, blobs: 0, missing: 0 },
  });
  expect((await t.call("artifacts", "stats", "--dataset", "corn", "--json")).json()).toMatchObject({
    references: 2,
    stored: 14,
    orphans: { files: 1 },
    disk: { files: 3, bytes: 5014 },
  });
  expect((await t.call("stats", "--json")).json()).toMatchObject({ orphans: { files: 1, bytes: 5000 } });
});

test("a purge without confirmation shows, deletes nothing, and says so by its exit code", async () => {
  using t = await corn();
  for (const words of [[], ["--force"], ["--yes"]]) {
    const refused = await t.call("artifacts", "purge", "--dataset", "corn", ...words);
    expect([refused.code, refused.stderr]).toEqual([5, expect.stringContaining("nothing was deleted")]);
    expect(refused.stdout).toContain("model@v1");
  }
  expect(await t.call("get", "model")).toMatchObject({ code: 0 });
  expect(await t.call("artifacts", "purge", "--force", "--yes")).toMatchObject({ code: 2 });
});

test("a confirmed purge takes the dataset; what another one has too is whole, and gc takes nothing of it", async () => {
  using t = await corn();
  const stray = t.root.at("store/binaries/corn/stray.bin");
  plant(stray, 5000);
  expect(await t.call("artifacts", "purge", "--dataset", "corn", "--force", "--yes")).toMatchObject({ code: 0 });
  expect((await t.call("ls", "--json")).json<{ artifacts: { name: string }[] }>().artifacts.map(({ name }) => name)).toEqual([
    "wheat-model",
    "shared-b",
  ]);
  expect(readdirSync(t.root.at("store/binaries/corn"))).toEqual([]);
  expect(await t.call("gc", "--grace", "0", "--apply")).toMatchObject({ code: 0 });
  for (const [name, bytes] of [
    ["wheat-model", "wheat model"],
    ["shared-b", "both"],
  ] as const) {
    expect(await t.call("get", name, "-o", `${name}.out`)).toMatchObject({ code: 0 });
    expect(await Bun.file(t.root.at(`${name}.out`)).text()).toBe(bytes);
  }
  expect(await t.call("verify")).toMatchObject({ code: 0 });
});

test("what protects is kept by a purge, and listed, and the exit code is 3", async () => {
  using t = await corn();
  await t.call("pin", "model");
  const purged = await t.call("artifacts", "purge", "--dataset", "corn", "--force", "--yes");
  expect([purged.code, purged.stdout]).toEqual([3, expect.stringContaining("model@v1: it is pinned")]);
  expect(await t.call("get", "model")).toMatchObject({ code: 0 });
  expect(await t.call("get", "shared-a")).toMatchObject({ code: 4 });
});

test("a misspelt dataset is an error with the one that was meant, and nothing is made for it", async () => {
  using t = await corn();
  for (const words of [["purge", "--force", "--yes"], ["cleanup", "--force"], ["list-orphaned"], ["stats"]])
    expect(await t.call("artifacts", ...words, "--dataset", "cron")).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("did you mean corn?"),
    });
  expect(readdirSync(t.root.at("store/binaries")).toSorted()).toEqual(["corn", "wheat"]);
});

test("a damaged database stops all of it", async () => {
  using t = await corn();
  plant(t.root.at("store/binaries/corn/stray.bin"), 5000);
  const database = t.root.at("store/coffer.db");
  const bytes = new Uint8Array(await Bun.file(database).arrayBuffer());
  // pages after the first hold tables and indexes
  bytes.fill(0xff, 5 * 4096, 40 * 4096);
  writeFileSync(database, bytes);
  utimesSync(database, 1, 1);
  for (const words of [
    ["cleanup", "--force", "--grace", "0"],
    ["purge", "--dataset", "corn", "--force", "--yes"],
  ])
    expect(await t.call("artifacts", ...words)).toMatchObject({ code: 5 });
  expect(existsSync(t.root.at("store/binaries/corn/stray.bin"))).toBe(true);
});
