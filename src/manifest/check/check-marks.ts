import type { Database } from "bun:sqlite";
import * as lines from "../../db/records/journal.ts";
import { takePending } from "../read/read-journal.ts";
import type { Journal } from "../read/read-journal.ts";

/**
 * Where aliases and pins are others than the journal, which alone tells of them beside the rows, says in the end; undefined where they are the same. Which of the two is
 * wrong cannot be known. `journal` is whole, and was read after nothing could be written any more.
 */
export function markContradiction(db: Database, journal: Journal): string | undefined {
  const said = { aliases: new Map(journal.aliases), pins: new Map(journal.pins) };
  for (const line of lines.pending(db)) takePending(said, line);
  const rows = lines.standing(db);
  const known = new Set(lines.uids(db, [...[...said.aliases.values()].map(({ artifact }) => artifact), ...said.pins.keys()]));
  const says = [
    ...[...said.aliases].flatMap(([key, { artifact, at }]) => (known.has(artifact) ? `${key} is ${artifact} since ${at}` : [])),
    ...[...said.pins].flatMap(([artifact, { note, at }]) => (known.has(artifact) ? `${artifact} is pinned since ${at}: ${note}` : [])),
  ];
  const have = [
    ...rows.aliases.map(({ name, alias, artifact, at }) => `${name}@${alias} is ${artifact} since ${at}`),
    ...rows.pins.map(({ artifact, note, at }) => `${artifact} is pinned since ${at}: ${note}`),
  ];
  const [told, held] = [new Set(says), new Set(have)];
  const [wrong] = [...have.filter((words) => !told.has(words)), ...says.filter((words) => !held.has(words))];
  return wrong && `of aliases and pins, the rows and the journal say different things: ${wrong}`;
}
