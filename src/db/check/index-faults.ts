import type { Database } from "bun:sqlite";
import { reading } from "../open/open.ts";

/** An index as the rows are compared with it: numbers that stand in both, of the rows that it has. */
interface Pair {
  index: string;
  numbers: readonly string[];
  where: string;
}

/**
 * By table: the indexes that gc finds by what goes and what protects. `hasKey`: it is WITHOUT ROWID.
 *
 * Those by digest, uid and run are asked whether something is there at all (a copy of what lies in a workspace, a run or an artifact of a manifest): an entry too many could
 * say so of what is lost, and that shows in the count and in the numbers of the rows. One that is lost, or has another digest, finds nothing, and then gc leaves things alone; an
 * ingest that finds nothing makes a second blob, which has a file or a place in a pack of its own.
 */
const PAIRS: Readonly<Record<string, { row: string; hasKey?: true; pairs: readonly Pair[] }>> = {
  artifacts: {
    row: "seq",
    pairs: [
      { index: "artifacts_by_blob", numbers: ["blob"], where: "blob IS NOT NULL" },
      { index: "artifacts_in_sight", numbers: ["blob", "created_at", "kind = 'tree'"], where: "state = 'live'" },
      { index: "artifacts_out_of_sight", numbers: ["state_at", "state = 'removed'"], where: "state IN ('withdrawn', 'removed')" },
      { index: "artifacts_buried", numbers: [], where: "state = 'deleted'" },
      { index: "artifacts_by_run", numbers: ["run"], where: "1" },
      { index: "artifacts_by_name", numbers: ["version"], where: "name IS NOT NULL" },
      { index: "sqlite_autoindex_artifacts_1", numbers: [], where: "1" },
    ],
  },
  blobs: {
    row: "seq",
    pairs: [
      { index: "blobs_by_pack", numbers: ["pack", "size"], where: "pack IS NOT NULL" },
      { index: "blobs_going", numbers: ["state = 'trashed'"], where: "state IN ('condemned', 'trashed')" },
      { index: "blobs_unread", numbers: [], where: "state = 'unverified'" },
      { index: "sqlite_autoindex_blobs_1", numbers: [], where: "1" },
      { index: "blobs_by_sha256", numbers: [], where: "sha256 IS NOT NULL" },
    ],
  },
  runs: {
    row: "seq",
    pairs: [
      { index: "runs_running", numbers: [], where: "state = 'running'" },
      { index: "runs_ended", numbers: ["ended_at", "state = 'finished'"], where: "1" },
    ],
  },
  edges: { row: "artifact", hasKey: true, pairs: [{ index: "edges_by_dependency", numbers: ["dependency"], where: "1" }] },
  meta_sources: { row: "artifact", hasKey: true, pairs: [{ index: "meta_sources_by_source", numbers: ["source"], where: "1" }] },
  tree_members: { row: "tree", hasKey: true, pairs: [{ index: "tree_members_by_member", numbers: ["member"], where: "1" }] },
  lease_blobs: { row: "lease", hasKey: true, pairs: [{ index: "lease_blobs_by_blob", numbers: ["blob"], where: "1" }] },
  aliases: { row: "artifact", hasKey: true, pairs: [{ index: "aliases_by_artifact", numbers: [], where: "1" }] },
  deliveries: { row: "seq", pairs: [{ index: "deliveries_open", numbers: ["run"], where: "state IN ('pending', 'refused')" }] },
  outbox: {
    row: "seq",
    pairs: [
      { index: "outbox_open", numbers: ["delivery"], where: "settled_at IS NULL" },
      { index: "outbox_entry", numbers: ["delivery", "ifnull(artifact, 0)", "step = 'artifact'"], where: "1" },
      { index: "outbox_by_artifact", numbers: ["artifact"], where: "artifact IS NOT NULL" },
    ],
  },
  run_inputs: {
    row: "run",
    hasKey: true,
    pairs: [{ index: "run_inputs_by_artifact", numbers: ["artifact"], where: "artifact IS NOT NULL" }],
  },
};

/** Texts that stand in both: each row is looked up. A file whose pack is not found by its path would be a stray. */
const TEXTS = [
  { table: "artifacts", index: "artifacts_by_name", columns: ["name", "version"] },
  { table: "artifacts", index: "artifacts_by_run", columns: ["run", "path"] },
  { table: "blobs", index: "blobs_by_path", columns: ["path"] },
  { table: "packs", index: "sqlite_autoindex_packs_2", columns: ["path"] },
  { table: "runs", index: "sqlite_autoindex_runs_1", columns: ["id"] },
];

/**
 * What is said otherwise by rows and by the indexes that gc goes by, and states that are none. As `integrity_check` does, but that it looks up each row in each index,
 * one page after the other from all over the file. Here both are read once from front to back, and sums held against each other, which no single wrong number leaves
 * as they were. Indexes that gc asks nothing of are left out. All is read of one moment: others go on writing.
 */
export function indexFaults(db: Database): string[] {
  return reading(db, () => [...numberFaults(db), ...textFaults(db), ...stateFaults(db)]);
}

function* numberFaults(db: Database): Generator<string> {
  for (const [table, { row, hasKey, pairs }] of Object.entries(PAIRS)) {
    // of a table without rowids NOT INDEXED may be its covering index all the same
    const rows = hasKey ? `${table} INDEXED BY sqlite_autoindex_${table}_1` : `${table} NOT INDEXED`;
    const said = sumsOf(db, rows, pairs.map((pair) => sums(row, pair, `FILTER (WHERE ${pair.where})`)).join());
    const width = (pair: Pair): number => pair.numbers.length + 2;
    let at = 0;
    for (const pair of pairs) {
      const found = sumsOf(db, `${table} INDEXED BY ${pair.index} WHERE ${pair.where}`, sums(row, pair, ""));
      if (!Bun.deepEquals(found, said.slice(at, (at += width(pair))))) yield differing(table, pair.index);
    }
  }
}

function* textFaults(db: Database): Generator<string> {
  for (const { table, index, columns } of TEXTS) {
    const same = ["seq", ...columns].map((column) => `n.${column} = t.${column}`).join(" AND ");
    const lost = db.query(
      `SELECT 1 FROM ${table} t NOT INDEXED WHERE ${columns[0]} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ${table} n INDEXED BY ${index} WHERE ${same}) LIMIT 1`,
    );
    const [rows] = sumsOf(db, `${table} NOT INDEXED WHERE ${columns[0]} IS NOT NULL`, "count(*)");
    const [entries] = sumsOf(db, `${table} INDEXED BY ${index} WHERE ${columns[0]} IS NOT NULL`, "count(*)");
    if (rows !== entries || lost.get() !== null) yield differing(table, index);
  }
}

const differing = (table: string, index: string): string => `rows of ${table} and their index ${index} say different things`;

function* stateFaults(db: Database): Generator<string> {
  const [strange] = sumsOf(db, "artifacts NOT INDEXED WHERE state NOT IN ('live', 'withdrawn', 'removed', 'deleted')", "count(*)");
  const [odd] = sumsOf(
    db,
    "blobs NOT INDEXED WHERE state NOT IN ('live', 'unverified', 'condemned', 'trashed') OR place NOT IN ('file', 'pack', 'foreign')",
    "count(*)",
  );
  if (strange !== 0n || odd !== 0n) yield "rows have a state that is none";
}

/** A prime: no bit of a number can be flipped, and no three bytes changed, without another remainder. Products of two remainders are integers still, and so are sums of some billions of them. */
const PRIME = 2_147_483_647;

/** How many, and sums of the rows' own numbers and of their products with each other one: these change with any single number, and where two changed places. */
function sums(row: string, { numbers }: Pair, filter: string): string {
  const products = numbers.map((number) => `(${row} % ${PRIME}) * ((${number}) % ${PRIME})`);
  return [`count(*) ${filter}`, ...[row, ...products].map((one) => `sum(${one} % ${PRIME}) ${filter}`)].join();
}

function sumsOf(db: Database, from: string, what: string): unknown[] {
  return db.query(`SELECT ${what} FROM ${from}`).safeIntegers(true).values()[0] as unknown[];
}
