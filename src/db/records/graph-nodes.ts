import type { Database } from "bun:sqlite";
import type { ArtifactRow } from "./artifacts.ts";

/** What a graph shows of an artifact. */
export type GraphNode = Pick<
  ArtifactRow,
  | "seq"
  | "uid"
  | "id"
  | "name"
  | "version"
  | "path"
  | "type"
  | "class"
  | "kind"
  | "size"
  | "digest"
  | "state"
  | "description"
  | "created_at"
> & {
  /** The id of its run. */
  run: string;
  /** Of its aliases, JSON list, sorted; null for none. */
  aliases: string | null;
  pinned: 0 | 1;
  /** Whether it is the newest version in sight of its name. */
  newest: 0 | 1;
};

/** In the order of their seqs, tombstones too. */
export function graphNodes(db: Database, artifacts: readonly number[]): GraphNode[] {
  return db
    .query<GraphNode, [string]>(
      `SELECT a.seq, a.uid, a.id, a.name, a.version, a.path, a.type, a.class, a.kind, a.size, a.digest, a.state, a.description, a.created_at, r.id AS run,
         (SELECT json_group_array(alias) FROM (SELECT alias FROM aliases WHERE artifact = a.seq ORDER BY alias) HAVING count(*) > 0) AS aliases,
         EXISTS (SELECT 1 FROM pins WHERE artifact = a.seq) AS pinned,
         a.name IS NOT NULL AND a.state = 'live'
           AND NOT EXISTS (SELECT 1 FROM artifacts n WHERE n.name = a.name AND n.version > a.version AND n.state = 'live') AS newest
       FROM json_each(?) g CROSS JOIN artifacts a ON a.seq = g.value CROSS JOIN runs r ON r.seq = a.run`,
    )
    .all(JSON.stringify(artifacts.toSorted((one, other) => one - other)));
}
