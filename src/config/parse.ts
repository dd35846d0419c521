import { Composer, Lexer, LineCounter, Parser, isAlias, isMap, isScalar, visit } from "yaml";
import type { CST, Document, Node, Pair } from "yaml";
import { reason } from "../domain/error.ts";

interface Place {
  line: number;
  column: number;
}

export interface Parsed {
  tree: unknown;
  /** What is wrong with the YAML itself. */
  faults: (Place & { message: string; hint: string })[];
  /** Where a key stands, or what stands behind it; for what came in by a merge or an alias the nearest place above. */
  place(path: readonly string[], at: "key" | "value"): Place;
}

/** More than anyone writes; deeper ones cost the parser its stack and the composer seconds. */
const MAX_DEPTH = 100;

/** Parses one YAML document. Anchors and merge keys are understood; a key given twice is a fault. Messages never quote the source, which may hold a password. */
export function parseConfig(text: string): Parsed {
  const lines = new LineCounter();
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const { tokens, deepAt } = tokensOf(text, lines);
  if (deepAt !== undefined)
    return {
      tree: undefined,
      faults: [{ ...placeOf(deepAt), message: "nested too deeply", hint: "a configuration is a few levels deep" }],
      place: () => placeOf(0),
    };

  const [document, second] = composed(tokens, text.length);
  if (!document) throw new Error("the YAML composer made no document");
  const faults: Parsed["faults"] = document.errors.map((error) => ({ ...placeOf(error.pos[0]), ...wordsFor(error.code, error.message) }));
  if (second)
    faults.push({
      ...placeOf(second.range[0]),
      message: "a second document begins here",
      hint: "a configuration is one document: take out the “---” line",
    });
  faults.push(...nameFaults(document).map(({ offset, message, hint }) => ({ ...placeOf(offset), message, hint })));
  let tree: unknown;
  if (faults.length === 0) {
    try {
      tree = document.toJS() as unknown;
    } catch (error) {
      faults.push({ line: 1, column: 1, message: `this YAML cannot be read: ${reason(error)}`, hint: "write it without nested aliases" });
    }
  }
  return { tree, faults, place: (path, at) => placeOf(offsetOf(document, path, at)) };
}

/** A file of half a million quotes is as many errors; what takes minutes and gigabytes is that each of them notes where in our own code it was made. */
function composed(tokens: readonly CST.Token[], length: number): Document.Parsed[] {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return [...new Composer({ prettyErrors: false, merge: true, uniqueKeys: false, logLevel: "error" }).compose(tokens, true, length)];
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** Stops at the first thing beyond the depth limit, brackets and indentation alike: the parser goes back up level by level, each on top of the other on the stack. */
function tokensOf(text: string, lines: LineCounter): { tokens: CST.Token[]; deepAt: number | undefined } {
  const parser = new Parser(lines.addNewLine);
  const tokens: CST.Token[] = [];
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    // the first is the document
    if (parser.stack.length > MAX_DEPTH + 1) return { tokens, deepAt: parser.stack.at(-1)?.offset ?? 0 };
  }
  for (const token of parser.end()) tokens.push(token);
  return { tokens, deepAt: undefined };
}

/** Keys given twice, and aliases without an anchor. The package would find both, in time that grows with the square of their number. */
function nameFaults(document: Document.Parsed): { offset: number; message: string; hint: string }[] {
  const found: ReturnType<typeof nameFaults> = [];
  const anchors = new Set<string>();
  visit(document, {
    Alias(_, alias) {
      if (!anchors.has(alias.source))
        found.push({
          offset: startOf(alias) ?? 0,
          message: `*${alias.source} names an anchor that is not there`,
          hint: `write &${alias.source} at the value that is meant, above this line`,
        });
    },
    Map(_, map) {
      if (map.anchor !== undefined) anchors.add(map.anchor);
      const keys = new Set<string>();
      for (const { key } of map.items) {
        if (!isScalar(key) || key.value === "<<") continue;
        const name = String(key.value);
        if (keys.has(name)) found.push({ offset: startOf(key) ?? 0, message: "this key is given twice", hint: "keep one of them" });
        keys.add(name);
      }
    },
    Seq(_, seq) {
      if (seq.anchor !== undefined) anchors.add(seq.anchor);
    },
    Scalar(_, scalar) {
      if (scalar.anchor !== undefined) anchors.add(scalar.anchor);
    },
  });
  return found;
}

function wordsFor(code: string, message: string): { message: string; hint: string } {
  return {
    message: `broken YAML: ${message.charAt(0).toLowerCase()}${message.slice(1).split("\n")[0]}`,
    hint: code === "TAB_AS_INDENT" ? "indent with blanks" : "look at this line and the one above it: indentation, quotes, brackets",
  };
}

function offsetOf(document: Document.Parsed, path: readonly string[], at: "key" | "value"): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, part] of path.entries()) {
    const map = isAlias(node) ? node.resolve(document) : node;
    if (!isMap(map)) return offset;
    const pair: Pair | undefined = map.items.find(({ key }) => String(isScalar(key) ? key.value : key) === part);
    if (!pair) return offset;
    const key = startOf(pair.key) ?? offset;
    offset = index === path.length - 1 && at === "value" ? (startOf(pair.value) ?? key) : key;
    node = pair.value;
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null)?.range?.[0];
}
