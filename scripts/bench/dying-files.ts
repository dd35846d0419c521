// `bun scripts/bench/dying-files.ts ROOT`: a store of 1,000,000 artifacts, with a file for each of the 112,000 that have eighteen newer versions.
import { Database } from "bun:sqlite";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { prepareBy } from "./prepare-by.ts";

const KEPT = 18;
const root = await prepareBy("million-artifacts.ts", process.argv[2] as string);
using db = new Database(join(root, "coffer.db"), { readonly: true });
const dying = db.query<{ path: string }, [number]>(
  `SELECT b.path FROM artifacts a JOIN series s ON s.key = 'name ' || a.name JOIN blobs b ON b.seq = a.blob
   WHERE a.name IS NOT NULL AND s.last_version - a.version >= ? AND b.path IS NOT NULL`,
);
const made = new Set<string>();
for (const { path } of dying.iterate(KEPT)) {
  const file = join(root, path);
  if (!made.has(dirname(file))) mkdirSync(dirname(file), { recursive: true });
  made.add(dirname(file));
  writeFileSync(file, "x");
}
console.log(root);
