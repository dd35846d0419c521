import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { loadSettings } from "../../src/config/settings.ts";
import type { Settings } from "../../src/config/settings.ts";
import * as blobs from "../../src/db/bytes/blobs.ts";
import * as artifacts from "../../src/db/records/artifacts.ts";
import type { ArtifactRow } from "../../src/db/records/artifacts.ts";
import { writeDueManifests } from "../../src/manifest/check/write-due-manifests.ts";
import { backUp } from "../../src/store/database/backup.ts";
import { readablePath } from "../../src/store/cache/cache.ts";
import { readerLease } from "../../src/store/lease.ts";
import { locate } from "../../src/store/read.ts";
import { openStore } from "../../src/store/store.ts";
import type { Store } from "../../src/store/store.ts";
import { pin, setAlias } from "../../src/registry/marks.ts";
import { verify } from "../../src/store/damage/verify.ts";
import { openTestStore } from "../support/store.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import { ALL, inWorkspace, small } from "../store/damaged-store.ts";

/** What the store of this test holds, by the name of the artifact. */
export const HELD = {
  model: { path: "deep/model.bin", bytes: "weights ".repeat(500) },
  few: { path: "few", files: { "one.txt": "one", "in/two.txt": "two", "in/three.txt": "three" } },
  many: { path: "many", files: Object.fromEntries(Object.entries(small(40)).map(([name, text]) => [`${name}.txt`, text.repeat(30)])) },
} as const;

/** Hundreds of small stores, each flushed many times: what a disk does with that is tried elsewhere. */
const MEMORY = existsSync("/dev/shm") ? "/dev/shm" : undefined;

/** Bytes that can be lost, as a test names them. */
export type Piece = "model" | `${"few" | "many"} ${"list" | number}`;

/** Those that have files of their own. */
export const LOOSE: readonly Piece[] = ["model", "few list", "few 0", "few 1", "few 2"];

/** A store that others are copied from, and what may help to repair it. */
export interface Template extends Disposable {
  readonly root: TemporaryRoot;
  readonly settings: Settings;
  /** A copy of its own, whole: opened, and looked at once. */
  copy(): Promise<Subject>;
}

/** Where copies of lost bytes may lie; a subject keeps one of them. */
export type Source = "workspace" | "store" | "cache" | "backup" | "nothing";

export interface Subject extends Disposable {
  readonly store: Store;
  readonly root: TemporaryRoot;
  readonly artifacts: Record<keyof typeof HELD, ArtifactRow>;
  /** The file or pack that has a piece, and where in it. */
  place(piece: Piece): { path: string; offset: number; size: number; digest: string };
  /** All pieces that the pack has. */
  packed(): { piece: Piece; offset: number; size: number }[];
  /** The same store, opened anew. */
  reopen(): Subject;
}

/** One model, a directory of three files and one of forty in a pack, with marks, edges, metrics; a workspace, a cache, and a backup beside it. */
export async function makeTemplate(): Promise<Template> {
  const root = temporaryRoot();
  const made = await openTestStore();
  const { store } = made;
  const [model, few] = [await made.add({ name: "model", ...HELD.model }), await made.add({ name: "few", ...HELD.few })];
  const all = { model, few, many: await made.add({ name: "many", ...HELD.many, dependsOn: [model, few] }) };
  for (const [name, { path, ...what }] of Object.entries(HELD)) {
    const files =
      "files" in what
        ? Object.fromEntries(Object.entries(what.files).map(([inner, text]) => [`${path}/${inner}`, text]))
        : { [path]: what.bytes };
    inWorkspace(made, all[name as keyof typeof HELD], files);
  }
  setAlias(store, model, "best");
  pin(store, few, "of\u2028old");
  for (const { blob, mode, size, name } of [all.few, all.many])
    await readablePath(store, { kind: "tree", blob: blob as number, mode, size, name: name as string }, readerLease(store, undefined));
  store.transaction(() => {
    store.db.run("INSERT INTO metric_points (run, key, value, step, time) SELECT seq, 'rmse', 0.25, seq, 17 FROM runs");
    store.db.run("INSERT INTO params (run, key, value) SELECT seq, 'lr', '0.1' FROM runs");
    store.db.run("INSERT INTO tags (run, key, value) SELECT seq, 'team', 'blue' FROM runs");
    store.db.run("DELETE FROM leases");
    store.db.run("UPDATE runs SET manifest = 'due'");
  });
  writeDueManifests(store);
  await backUp(store, root.at("backup"), { withBytes: true, stop: () => false });
  store.db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  cpSync(store.root, root.at("store"), { recursive: true, verbatimSymlinks: true });
  made[Symbol.dispose]();
  const settings = await loadSettings({ flags: { root: root.at("store"), set: {} }, env: {}, cwd: root.path });
  return {
    root,
    settings,
    async copy() {
      const own = temporaryRoot(MEMORY);
      for (const name of ["store", "backup"]) cpSync(root.at(name), own.at(name), { recursive: true });
      const subject = open(own, await loadSettings({ flags: { root: own.at("store"), set: {} }, env: {}, cwd: own.path }));
      // the copies are other files than the rows know
      await verify(subject.store, ALL);
      return subject;
    },
    [Symbol.dispose]: () => root[Symbol.dispose](),
  };
}

function open(root: TemporaryRoot, settings: Settings): Subject {
  const store = openStore(settings, { make: false, now: Date.now, say: () => undefined });
  const named = (name: string): ArtifactRow => artifacts.latestOfName(store.db, name, "any") as ArtifactRow;
  const own = { model: named("model"), few: named("few"), many: named("many") };
  const rowOf = (piece: Piece): blobs.BlobRow => {
    const [name, what] = piece.split(" ") as [keyof typeof HELD, string | undefined];
    if (what === undefined || what === "list") return blobs.bySeq(store.db, own[name].blob as number) as blobs.BlobRow;
    const members = store.db.query("SELECT member FROM tree_members WHERE tree = ? ORDER BY member").values(own[name].blob) as [number][];
    return blobs.bySeq(store.db, (members[Number(what)] as [number])[0]) as blobs.BlobRow;
  };
  const place = (piece: Piece): ReturnType<Subject["place"]> => {
    const row = rowOf(piece);
    const digest = `blake3:${Buffer.from(row.blake3 as Uint8Array).toString("hex")}`;
    return { path: locate(store, row).path, offset: row.offset ?? 0, size: row.size, digest };
  };
  return {
    store,
    root,
    artifacts: own,
    place,
    packed: () =>
      ([...Array.from({ length: 40 }, (_, nth): Piece => `many ${nth}`), "many list"] as Piece[])
        .map((piece) => ({ piece, ...place(piece) }))
        .toSorted((a, b) => a.offset - b.offset),
    reopen: () => open(root, settings),
    [Symbol.dispose]() {
      store[Symbol.dispose]();
      root[Symbol.dispose]();
    },
  };
}

/** Takes away all copies but those of one source. Returns the directories to name with `--from`. */
export function leaveOnly({ store, root, place }: Subject, source: Source): string[] {
  if (source !== "workspace") rmSync(join(store.settings.roots.workspace, "runs"), { recursive: true, force: true });
  if (source !== "cache") rmSync(store.path("cache"), { recursive: true, force: true });
  if (source === "store") {
    // a pack and files that no row names
    mkdirSync(store.path("binaries/other/packs"), { recursive: true });
    cpSync(place("many list").path, store.path("binaries/other/packs/another.tar"));
    for (const piece of LOOSE) cpSync(place(piece).path, store.path("binaries/other", `copy of ${piece}`));
  }
  const backup = root.at("backup");
  if (source !== "backup" && existsSync(backup)) rmSync(backup, { recursive: true });
  return source === "backup" ? [backup] : [];
}
