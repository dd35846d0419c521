// `bun scripts/bench/fill-graph.ts DIR`: a store with 10,000 artifacts and 19,897 edges behind one that is called `end`.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import * as metadata from "../../src/db/open/metadata.ts";
import { closeDatabase, openDatabase } from "../../src/db/open/open.ts";
import { inserters } from "./million-inserts.ts";
import { BEGAN, hexOf, uuid } from "./steady.ts";

const LAYERS = 99;
const WIDTH = 101;

const root = process.argv[2] as string;
mkdirSync(root, { recursive: true });
fillGraph(join(root, "coffer.db"));

/** Layers of which each artifact was made from two of the layer before; the last of all, `end`, from the whole last layer. */
function fillGraph(path: string): void {
  const db = openDatabase(path, { make: true, say: console.error });
  db.transaction(() => {
    metadata.set(db, "id", uuid(0, 0));
    metadata.set(db, "created_at", String(BEGAN));
    const insert = inserters(db);
    insert.run(1, uuid(1, 1), null, "finished", 0, BEGAN, BEGAN + 1000, null, null, "default", null, "[]", null);
    const add = (seq: number, name: string | null, dependencies: readonly number[]): void => {
      const hex = hexOf(4, seq);
      const path = `step/${seq}.joblib`;
      const file = `binaries/default/model_-_${hex.slice(0, 12)}.joblib`;
      insert.blob(seq, Buffer.from(hex, "hex"), 1000, "default", "file", file, null, null, BEGAN);
      const head = [
        seq,
        uuid(3, seq),
        `${uuid(1, 1)}/${path}`,
        1,
        name,
        1,
        "live",
        BEGAN,
        "output",
        seq,
        `blake3:${hex}`,
        1000,
        path,
      ] as const;
      insert.artifact(...head, "model", null, "default", null, "[]", null, null, "{}", BEGAN);
      dependencies.forEach((dependency, position) => insert.edge(seq, dependency, "input", position, 0));
    };
    for (let layer = 0; layer < LAYERS; layer++)
      for (let nth = 0; nth < WIDTH; nth++) {
        const above = (other: number): number => (layer - 1) * WIDTH + (other % WIDTH) + 1;
        add(layer * WIDTH + nth + 1, null, layer === 0 ? [] : [above(nth), above(nth + 1)]);
      }
    const last = Array.from({ length: WIDTH }, (_, nth) => (LAYERS - 1) * WIDTH + nth + 1);
    add(LAYERS * WIDTH + 1, "end", last);
  })();
  closeDatabase(db);
}
