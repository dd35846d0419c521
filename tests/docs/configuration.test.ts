import { writeFileSync } from "node:fs";
import { expect, test } from "bun:test";
import { configJsonSchema } from "../../src/config/json-schema.ts";
import type { Piece } from "../../src/config/json-schema.ts";
import { configKeys } from "../../src/config/settings.ts";
import { binary, coffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { codeSpans, fencedBlocks, tableRows } from "./markdown.ts";
import { playPage, readPage } from "./page.ts";
import { dirname } from "node:path";

const page = readPage("docs/configuration.md");

interface Row {
  key: string;
  default: string;
  example: string;
  means: string;
}

const rows: Row[] = [...page.matchAll(/^### (.+)$/gm)].flatMap(([, heading = ""]) =>
  tableRows(page, heading)
    // a section's own table, not those of the sections in it
    .map(([name = "", whenMissing = "", example = "", means = ""]) => ({
      key: `${heading}.${span(name)}`,
      default: span(whenMissing),
      example: span(example),
      means,
    })),
);

test("each key is there, in the order of the schema, with its default and a meaning", () => {
  expect(rows.map(({ key }) => key)).toEqual(configKeys());
  const schema = configJsonSchema();
  for (const row of rows) {
    expect(`${row.key}: ${row.default}`).toBe(`${row.key}: ${JSON.stringify(pieceAt(schema, row.key).default)}`);
    expect(row.means).not.toBe("");
  }
});

test("each example is a value that the key takes", async () => {
  using root = temporaryRoot();
  writeFileSync(root.at("coffer.yaml"), rows.map(({ key, example }) => nested(key.split("."), example)).reduce(merged));
  const checked = await coffer(["config", "validate", "--json"], { cwd: root.path });
  expect(checked.json()).toMatchObject({ ok: true, problems: [] });
  const { values } = (await coffer(["config", "show", "--json"], { cwd: root.path })).json<{ values: { key: string; source: string }[] }>();
  expect(values.filter(({ source }) => source !== "project")).toEqual([]);
  expect(values).toHaveLength(rows.length);
});

test("the configurations that the pages show are valid", async () => {
  using root = temporaryRoot();
  const shown = [page, readPage("README.md")].flatMap((text) => fencedBlocks(text).filter(({ language }) => language === "yaml"));
  expect(shown.length).toBeGreaterThanOrEqual(2);
  for (const [index, { lines }] of shown.entries()) {
    const file = root.at(`${index}.yaml`);
    writeFileSync(file, lines.join("\n"));
    expect(await coffer(["config", "validate", file])).toMatchObject({ code: 0, stdout: `ok: ${file}\n` });
  }
});

test("the commands do what the page says", async () => {
  expect(await playPage(page, { onPath: dirname(binary()) })).toEqual([]);
});

function span(cell: string): string {
  return codeSpans(cell)[0] ?? "";
}

function pieceAt(schema: Piece, key: string): Piece {
  return key.split(".").reduce<Piece>((piece, part) => {
    const found = piece.properties?.[part] ?? piece.anyOf?.find((choice) => choice.properties)?.properties?.[part];
    if (!found) throw new Error(`the schema has no ${key}`);
    return found;
  }, schema);
}

/** YAML with one value; the examples are YAML themselves. */
function nested(path: readonly string[], value: string): string {
  return path.map((part, depth) => `${"  ".repeat(depth)}${part}:`).join("\n") + ` ${value}\n`;
}

/** Two of these in one file, without naming a section twice. */
function merged(before: string, next: string): string {
  const [had, has] = [before.trimEnd().split("\n"), next.trimEnd().split("\n")];
  const open = openSections(had);
  let same = 0;
  while (same < has.length - 1 && open[same] === has[same]) same++;
  return [...had, ...has.slice(same), ""].join("\n");
}

/** The sections that the last line stands in, from the outermost. */
function openSections(lines: readonly string[]): string[] {
  const open: string[] = [];
  for (const line of lines) {
    const depth = (/^ */.exec(line)?.[0].length ?? 0) / 2;
    open.length = depth;
    if (line.endsWith(":")) open.push(line);
  }
  return open;
}
