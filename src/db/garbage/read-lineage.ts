import type { Database } from "bun:sqlite";
import { longer } from "./columns.ts";
import { eachPair } from "./each-pair.ts";

/** What artifacts were made from, by edges and then by the sources of meta-models: that of seq i is list[first[i]] … list[first[i + 1] - 1]. */
export interface Lineage {
  first: Uint32Array;
  list: Uint32Array;
}

/** `room`: what follows the highest seq of an artifact. */
export function readLineage(db: Database, room: number): Lineage {
  const edges = readLinks(db, room, { to: "dependency", from: "edges ORDER BY artifact, dependency" });
  const sources = readLinks(db, room, { to: "source", from: "meta_sources ORDER BY artifact, feature_index" });
  return sources.list.length === 0 ? edges : joined(edges, sources);
}

function joined(one: Lineage, other: Lineage): Lineage {
  const first = one.first.map((at, seq) => at + (other.first[seq] as number));
  const list = new Uint32Array(one.list.length + other.list.length);
  let count = 0;
  for (let seq = 0; seq + 1 < first.length; seq++) {
    for (let at = one.first[seq] as number; at < (one.first[seq + 1] as number); at++) list[count++] = one.list[at] as number;
    for (let at = other.first[seq] as number; at < (other.first[seq + 1] as number); at++) list[count++] = other.list[at] as number;
  }
  return { first, list };
}

function readLinks(db: Database, room: number, { to, from }: { to: string; from: string }): Lineage {
  const first = new Uint32Array(room + 1);
  let list = new Uint32Array(4096);
  let count = 0;
  eachPair(db, { a: "artifact", b: to, from, below: room }, (artifact, dependency) => {
    if (count === list.length) list = longer(list);
    list[count++] = dependency;
    (first[artifact + 1] as number)++;
  });
  for (let seq = 0; seq < room; seq++) (first[seq + 1] as number) += first[seq] as number;
  return { first, list: list.subarray(0, count) };
}
