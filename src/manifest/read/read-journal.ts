import { statSync } from "node:fs";
import { setImmediate as yieldToSignals } from "node:timers/promises";
import * as v from "valibot";
import { errno, reason } from "../../domain/error.ts";
import { LIMIT_NAMES } from "../../store/cache/limits.ts";
import { HIGHEST, journalLines } from "../../store/database/journal-lines.ts";
import type { JournalLine } from "../../store/database/journal-lines.ts";
import { Artifact, Delivery, Run } from "./lost-run.ts";

const seq = v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(HIGHEST));
const at = v.pipe(v.number(), v.safeInteger());
const common = { seq, at };
const text = v.string();

/** A run that goes on, and has told no points yet. */
const Live = v.object({ ...Run.entries, state: v.literal("running"), metrics: v.optional(Run.entries.metrics, []) });

const Line = v.variant("did", [
  v.object({ ...common, did: v.literal("alias"), name: text, alias: text, artifact: text }),
  v.object({ ...common, did: v.literal("unalias"), name: text, alias: text }),
  v.object({ ...common, did: v.literal("pin"), artifact: text, note: v.nullable(text) }),
  v.object({ ...common, did: v.literal("unpin"), artifact: text }),
  v.object({ ...common, did: v.literal("tag"), run: v.optional(text), artifact: v.optional(text), key: text, value: text }),
  v.object({ ...common, did: v.literal("untag"), run: v.optional(text), artifact: v.optional(text), key: text }),
  v.object({ ...common, did: v.literal("remove"), run: v.optional(text), artifact: v.optional(text) }),
  v.object({ ...common, did: v.literal("restore"), run: v.optional(text), artifact: v.optional(text) }),
  v.object({ ...common, did: v.literal("withdraw"), artifact: text }),
  v.object({ ...common, did: v.literal("delete"), artifact: text, message: v.optional(text) }),
  v.object({ ...common, did: v.literal("deliver"), run: text, ...Delivery.entries }),
  v.object({ ...common, did: v.literal("undeliver"), run: text, target: text }),
  v.object({ ...common, did: v.literal("event"), run: text, kind: text, message: text }),
  v.object({ ...common, did: v.literal("cache-limit"), name: v.picklist(LIMIT_NAMES), value: v.nullable(v.number()) }),
  // what stood before it stands in manifests, or once more behind it
  v.object({ ...common, did: v.literal("anew") }),
  // whole: it tells what earlier lines did, and what changed since
  v.object({
    ...common,
    did: v.literal("log"),
    run: text,
    whole: v.optional(v.literal(true)),
    about: v.optional(Live),
    artifacts: v.array(Artifact),
  }),
]);
export type Line = v.InferOutput<typeof Line>;

export interface Journal {
  lines: number;
  /** The highest number. */
  last: number;
  /** Lines that cannot be read, and that do not stand there once more; lines whose numbers are missing. */
  unread: string[];
  /** Why it could not be read to its end, or at all. */
  failed: unknown;
  /** Which file it was read from, and how much that held: another one is to be read again. */
  stamp: string;
  deleted: Map<string, { at: number; message: string | undefined }>;
  /** The last line about the marks (tags, states) of a run, by its id, and of an artifact, by its uid: what a manifest may not know yet. */
  marked: Map<string, number>;
  /** Aliases as they are in the end, by name and alias, and pins by uid. */
  aliases: Map<string, { artifact: string; at: number }>;
  pins: Map<string, { note: string | null; at: number }>;
}

const MARKING = new Set<Line["did"]>(["tag", "untag", "remove", "restore", "withdraw", "delete"]);

/** A first look through the journal: what was deleted has no bytes to look for. */
export async function readJournal(path: string): Promise<Journal> {
  const found = { deleted: new Map(), marked: new Map(), aliases: new Map(), pins: new Map() };
  const journal: Journal = { lines: 0, last: 0, unread: [], failed: undefined, stamp: journalStamp(path), ...found };
  try {
    await readInto(journal, path);
  } catch (error) {
    if (errno(error) === undefined) throw error;
    journal.failed = error;
    journal.unread.push(`journal.jsonl cannot be read: ${reason(error)}`);
  }
  return journal;
}

/** Changes with every line. */
export function journalStamp(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat ? [stat.dev, stat.ino, stat.size, stat.mtimeNs].join(" ") : "";
}

async function readInto(journal: Journal, path: string): Promise<void> {
  const torn = new Map<number, string>();
  let number = 0;
  let passed = 0;
  const pass = (seq: number, isFirst: boolean): void => {
    if (seq > passed + 1 && !isFirst) journal.unread.push(`lines ${passed + 1} to ${seq - 1} of journal.jsonl are not there`);
    passed = Math.max(passed, seq);
  };
  for await (const { text, seq: begun = 0, isWhole, isTooLong } of linesAt(path)) {
    number++;
    // zeros: a crash left the length of what it was about to write; whether a line is missing is seen by the numbers
    if (text === "" || text.startsWith("\0")) continue;
    const line = isTooLong ? "it is longer than any that was written" : parse(text);
    if (typeof line === "string") {
      // the number of one that cannot be understood is taken, too
      if (isWhole) journal.last = Math.max(journal.last, begun);
      // half a line, which a crash left, comes once more as a whole
      const words = `line ${number} of journal.jsonl: ${line}`;
      if (begun > 0) torn.set(begun, words);
      if (begun > 0) pass(begun, false);
      else if (!/^\{(?:"(?:s(?:e(?:q(?:":?[0-9]*)?)?)?)?)?$/.test(text)) journal.unread.push(words);
      continue;
    }
    journal.lines++;
    pass(line.seq, line.did === "anew");
    journal.last = Math.max(journal.last, line.seq);
    torn.delete(line.seq);
    takeStanding(journal, line);
    if (MARKING.has(line.did)) {
      const { run, artifact } = line as { run?: string; artifact?: string };
      journal.marked.set((run ?? artifact) as string, line.seq);
    }
    if (line.did === "delete") journal.deleted.set(line.artifact, { at: line.at, message: line.message });
  }
  journal.unread.push(...torn.values());
}

/** The same for a line that waits in the database. */
export function takePending(journal: Pick<Journal, "aliases" | "pins">, { seq: number, line: text }: { seq: number; line: string }): void {
  const line = parse(`{"seq":${number},${text.slice(1)}`);
  if (typeof line !== "string") takeStanding(journal, line);
}

function takeStanding({ aliases: all, pins: pinned }: Pick<Journal, "aliases" | "pins">, line: Line): void {
  if (line.did === "alias") all.set(`${line.name}@${line.alias}`, { artifact: line.artifact, at: line.at });
  else if (line.did === "unalias") all.delete(`${line.name}@${line.alias}`);
  else if (line.did === "pin") pinned.set(line.artifact, { note: line.note, at: pinned.get(line.artifact)?.at ?? line.at });
  else if (line.did === "unpin") pinned.delete(line.artifact);
}

export type Logged = Extract<Line, { did: "log" }>;

/** Those lines that can be read. */
export async function* readableLines(path: string): AsyncGenerator<Line> {
  for await (const { text } of linesAt(path)) {
    const line = parse(text);
    if (typeof line !== "string") yield line;
  }
}

/** What was logged to runs while they went on, in the order of the journal. */
export async function* loggedLines(path: string): AsyncGenerator<Logged> {
  for await (const { text } of linesAt(path)) {
    if (!text.includes('"did":"log"')) continue;
    const line = parse(text);
    if (typeof line !== "string" && line.did === "log") yield line;
  }
}

const PER_TURN = 256;

async function* linesAt(path: string): AsyncGenerator<JournalLine> {
  let turn = 0;
  for (const line of journalLines(path)) {
    if (++turn % PER_TURN === 0) await yieldToSignals();
    yield line;
  }
}

function parse(source: string): Line | string {
  let given: unknown;
  try {
    given = JSON.parse(source);
  } catch {
    return "it is cut off, or no JSON";
  }
  const result = v.safeParse(Line, given, { abortEarly: true });
  return result.success ? result.output : `${v.getDotPath<typeof Line>(result.issues[0]) ?? "it"}: ${result.issues[0].message}`;
}
