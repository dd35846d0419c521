import { afterAll, expect, test } from "bun:test";
import { BYTE_DAMAGES } from "./damages.ts";
import { bytesOf, look, mendAll, namesOf, rowsOf } from "./look.ts";
import { leaveOnly, makeTemplate } from "./subject.ts";
import type { Piece, Source } from "./subject.ts";

/*
 * Each kind of damage to stored bytes against each source that may have a copy: what is found and named, what comes back, what is said to be lost, and that nothing
 * else of the store is another one afterwards.
 */

const template = await makeTemplate();
afterAll(() => template[Symbol.dispose]());

const SOURCES: readonly Source[] = ["workspace", "store", "cache", "backup", "nothing"];

/** What a source has. A file with a place of its own is never copied to the cache. */
const has = (source: Source, piece: Piece): boolean => source !== "nothing" && !(source === "cache" && piece === "model");

/** Where it is found. */
const NAMES: Record<Source, string> = { workspace: "workspace", store: "store", cache: "cache", backup: "directory", nothing: "itself" };

for (const [what, damage] of Object.entries(BYTE_DAMAGES))
  for (const source of SOURCES)
    test(`${what}: found, named, and what ${source === "nothing" ? "nobody" : `the ${source}`} has of it comes back`, async () => {
      using subject = await template.copy();
      const { store, place } = subject;
      const directories = leaveOnly(subject, source);
      const lost = damage.lost(subject).map((piece) => ({ piece, ...place(piece) }));
      const [rows, bytes] = [rowsOf(store), await bytesOf(store)];
      expect([...bytes.values()]).not.toContain(null);
      damage.hurt(subject);

      const found = await look(store);
      expect(found.damage.length).toBeGreaterThan(0);
      const digests = lost.map(({ digest }) => digest);
      const named = await namesOf(store, found.damage);
      expect([...named.keys()].sort()).toEqual(digests.toSorted());
      for (const { piece, digest } of lost)
        expect(named.get(digest)?.every((use) => use.startsWith(piece.split(" ")[0] as string))).toBe(true);
      for (const { digest } of lost) expect(named.get(digest)).not.toEqual([]);

      const done = await mendAll(store, found, directories);
      expect(done.failed).toEqual([]);
      const gone = lost.filter(({ piece }) => !damage.holds && !has(source, piece)).map(({ digest }) => digest);
      expect([...(await namesOf(store, done.damage)).keys()].sort()).toEqual(gone.toSorted());
      const after = await look(store);
      expect([...(await namesOf(store, after.damage)).keys()].sort()).toEqual(gone.toSorted());
      if (gone.length === 0) expect(after.damage).toEqual([]);
      expect(rowsOf(store)).toEqual(rows);
      for (const digest of gone) bytes.set(digest, null);
      expect(await bytesOf(store)).toEqual(bytes);
      for (const { from, digest } of done.repaired)
        expect([digest, from]).toEqual([
          digest,
          digest === "" ? "itself" : damage.holds && source !== "workspace" ? "store" : NAMES[source],
        ]);
    });
