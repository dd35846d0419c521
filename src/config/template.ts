import { configJsonSchema } from "./json-schema.ts";
import type { Piece } from "./json-schema.ts";

/**
 * A `coffer.yaml` to start with: the store's root is set, every other key stands there as a comment with its default and meaning,
 * so that a later default is not held back by a file that nobody meant to pin it.
 */
export function configTemplate(rootPath: string): string {
  const sections = Object.entries(configJsonSchema().properties ?? {}).map(([key, piece]) =>
    sectionLines(key, piece, 0, rootPath).join("\n"),
  );
  return [
    "# The configuration of coffer. Every key may be left out; those behind “#” show the default.",
    "# ${VAR} and ${VAR:default} are expanded. coffer config show says what holds and why, coffer config validate checks this file.",
    "",
    sections.join("\n\n"),
    "",
  ].join("\n");
}

function sectionLines(key: string, piece: Piece, depth: number, rootPath: string): string[] {
  const indent = "  ".repeat(depth);
  const properties = piece.properties ?? piece.anyOf?.[0]?.properties ?? {};
  const live = key === "artifact_store" && depth === 0;
  const head = `${live ? "" : "# "}${indent}${key}:`;
  const lines = [piece.description === undefined ? head : `${head}  # ${piece.description}`];
  for (const [name, inner] of Object.entries(properties)) {
    if (isSection(inner)) lines.push(...sectionLines(name, inner, depth + 1, rootPath));
    else if (live && name === "root_path") lines.push(`  ${name}: ${JSON.stringify(rootPath)}  # ${inner.description ?? ""}`);
    else lines.push(`# ${indent}  ${name}: ${JSON.stringify(inner.default)}  # ${inner.description ?? ""}`);
  }
  return lines;
}

function isSection(piece: Piece): boolean {
  return piece.properties !== undefined;
}
