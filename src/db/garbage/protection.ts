import type { Database } from "bun:sqlite";

/*
 * What keeps an artifact, whatever a rule says. It stands here once: a plan asks it of all candidates together, the sweep of each one again before it
 * goes, and `gc why` of one that somebody names. What was made from an artifact keeps it too: that is asked of the edges, of all together in `spare.ts`, and by the sweep in `sweeping.ts`.
 */
export type Keeper = "stopped" | "pin" | "alias" | "run" | "reader" | "lease" | "unverified" | "undelivered" | "damaged";

interface Protection {
  by: Keeper;
  /** The artifact that is kept, and why, as SQL. */
  artifact: string;
  because: string;
  /** The first table is the one with few rows: where all are asked together, it is read first. */
  from: (join: string) => string;
}

const PROTECTIONS: readonly Protection[] = [
  {
    by: "stopped",
    artifact: "a.seq",
    because: "s.because",
    from: (join) => `temp.gc_stopped s ${join} artifacts a WHERE 1`,
  },
  { by: "pin", artifact: "p.artifact", because: "'it is pinned' || ifnull(' (' || p.note || ')', '')", from: () => "pins p WHERE 1" },
  {
    by: "alias",
    artifact: "l.artifact",
    because:
      "'an alias points at it (' || (SELECT group_concat(alias, ', ') FROM aliases o WHERE o.artifact = l.artifact AND o.name = l.name) || ')'",
    from: () => "aliases l WHERE 1",
  },
  {
    by: "run",
    artifact: "a.seq",
    because: "'its run is still going'",
    from: (join) => `runs r ${join} artifacts a ON a.run = r.seq WHERE r.state = 'running'`,
  },
  {
    by: "reader",
    artifact: "i.artifact",
    because: "'a run that is still going reads it'",
    from: (join) => `runs r ${join} run_inputs i ON i.run = r.seq WHERE r.state = 'running'`,
  },
  {
    by: "lease",
    artifact: "a.seq",
    because:
      "iif(h.kind = 'read', 'a process was given it, which holds for an hour at least', 'a live process uses it (' || h.kind || ')')",
    from: (join) =>
      `temp.gc_leases g ${join} leases h ON h.seq = g.seq ${join} lease_blobs l ON l.lease = g.seq ${join} artifacts a ON a.blob = l.blob WHERE 1`,
  },
  {
    by: "unverified",
    artifact: "a.seq",
    because: "'its bytes were imported and never read'",
    from: (join) => `blobs b ${join} artifacts a ON a.blob = b.seq WHERE b.state = 'unverified' AND a.state <> 'removed'`,
  },
  {
    by: "undelivered",
    artifact: "o.artifact",
    because: "'not delivered to ' || d.target || ' yet'",
    from: (join) =>
      `deliveries d ${join} outbox o ON o.delivery = d.seq WHERE d.state IN ('pending', 'refused') AND o.settled_at IS NULL AND o.step = 'artifact'`,
  },
  {
    by: "damaged",
    artifact: "w.seq",
    because: "'newer versions of it are damaged'",
    from: (
      join,
    ) => `(SELECT DISTINCT n.name FROM hurt_blobs h CROSS JOIN artifacts n ON n.blob = h.blob WHERE n.state = 'live' AND n.name IS NOT NULL) d
      ${join} artifacts w ON w.seq = (SELECT o.seq FROM artifacts o WHERE o.name = d.name AND o.state = 'live' AND o.blob NOT IN (SELECT blob FROM hurt_blobs)
        ORDER BY o.version DESC LIMIT 1) WHERE 1`,
  },
];

/** Queries of (artifact, because) for all that is kept, one for each kind of keeper. */
export function protectedRows(except: ReadonlySet<Keeper>): string[] {
  return PROTECTIONS.filter(({ by }) => !except.has(by)).map(
    ({ artifact, because, from }) =>
      `SELECT ${artifact} AS artifact, ${because} AS because FROM ${from("CROSS JOIN")} AND ${artifact} IS NOT NULL`,
  );
}

/** What keeps one artifact, but for what was made from it. */
export function keepersOf(db: Database, artifact: number, except: ReadonlySet<Keeper> = new Set()): { by: Keeper; because: string }[] {
  const one = ({ by, artifact: column, because, from }: Protection): string =>
    `SELECT '${by}' AS "by", ${because} AS because FROM ${from("JOIN")} AND ${column} = ?1`;
  return db
    .query<{ by: Keeper; because: string }, [number]>(
      PROTECTIONS.filter(({ by }) => !except.has(by))
        .map(one)
        .join(" UNION "),
    )
    .all(artifact);
}

/** The same of all garbage from a seq up to another: by artifact, one reason for each. */
export function keepersAmong(
  db: Database,
  { from, below }: { from: number; below: number },
  except: ReadonlySet<Keeper>,
): Map<number, string> {
  const one = ({ artifact, because, from: tables }: Protection): string =>
    `SELECT gone.seq, ${because} AS because FROM temp.gc_garbage gone CROSS JOIN ${tables("JOIN")} AND ${artifact} = gone.seq AND gone.seq >= ?1 AND gone.seq < ?2`;
  const found = new Map<number, string>();
  for (const protection of PROTECTIONS.filter(({ by }) => !except.has(by)))
    for (const [seq, because] of db.query(one(protection)).values(from, below) as [number, string][]) found.set(seq, because);
  return found;
}
