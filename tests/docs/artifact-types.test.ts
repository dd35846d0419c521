import { expect, test } from "bun:test";
import { COMMANDS } from "../../src/cli/commands.ts";
import { ARTIFACT_TYPES, guessArtifactType } from "../../src/domain/artifact-type.ts";
import { codeSpans, tableRows } from "./markdown.ts";
import { readPage } from "./page.ts";

const rows = tableRows(readPage("docs/outputs-and-artifacts.md"), "Types").map(([type = "", names = ""]) => ({
  type: codeSpans(type).join(),
  names: codeSpans(names),
}));

test("the page for users shows each type, in order", () => {
  expect(rows.map(({ type }) => type)).toEqual(ARTIFACT_TYPES);
});

test("what the page says of file names is what is guessed of them, and nothing else is", () => {
  for (const { type, names } of rows)
    for (const name of names) expect([name, guessArtifactType(name.startsWith(".") ? `x${name}` : name) as string]).toEqual([name, type]);
  const source = /FILES_OF = \{([^}]*)\}/.exec(readPage("src/domain/artifact-type.ts"))?.[1] ?? "";
  const known = [...source.matchAll(/"([^"]+)"/g)].map(([, name = ""]) => (name.includes(".") ? name : `.${name}`));
  expect(known.toSorted()).toEqual(rows.flatMap(({ names }) => names).toSorted());
});

test("every --type takes the types of the list, and help and completions show them", async () => {
  const taking: string[] = [];
  for (const [name, entry] of Object.entries(COMMANDS)) {
    const flag = (await entry.load()).default.spec.flags["type"];
    if (!flag) continue;
    taking.push(name);
    expect([name, flag.options, flag.description.includes(ARTIFACT_TYPES.join(", "))]).toEqual([name, ARTIFACT_TYPES, true]);
  }
  expect(taking.toSorted()).toEqual(["load", "log", "ls"]);
});
