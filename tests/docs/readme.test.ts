import { expect, test } from "bun:test";
import { COMMANDS } from "../../src/cli/commands.ts";
import { EXIT } from "../../src/domain/error.ts";
import { SYNC_POINTS_VARIABLE } from "../../src/domain/sync-point.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { codeSpans, tableRows } from "./markdown.ts";
import { playPage, project, readPage } from "./page.ts";

const live = needsMlflow(test);
const readme = readPage("README.md");
const DELIVERING = "Delivering to MLflow";

test("the tour goes as README.md says", async () => {
  expect(await playPage(readme, { without: DELIVERING })).toEqual([]);
});

live("the tour ends on a real MLflow server", async () => {
  const there = readme.replaceAll("http://127.0.0.1:5000", mlflow.proxied.uri);
  expect(there).not.toBe(readme);
  expect(await playPage(there)).toEqual([]);
});

test("each exit code is in the table, and no other", () => {
  const listed = tableRows(readme, "Exit codes").flatMap(([codes = ""]) => codes.split(", ").map(Number));
  expect(listed.toSorted(byValue)).toEqual(Object.values<number>(EXIT).toSorted(byValue));
});

test("each environment variable that is read or set is in the table, and no other of ours or MLflow's", async () => {
  const listed = new Set(tableRows(readme, "Environment variables").flatMap(([names = ""]) => codeSpans(names)));
  const used = await variablesOf(["src/**/*.ts"]);
  for (const known of ["COFFER_ROOT", "COFFER_WORKSPACE", "CORE_ARTIFACT_ROOT", "MLFLOW_HTTP_REQUEST_TIMEOUT", "NO_COLOR", "PATH"])
    expect(used).toContain(known);
  // it is for whoever works on coffer itself
  expect(readPage("CONTRIBUTING.md")).toContain(SYNC_POINTS_VARIABLE);
  expect([...used].filter((name) => !listed.has(name) && name !== SYNC_POINTS_VARIABLE)).toEqual([]);
  expect([...listed].filter((name) => /^(COFFER|CORE|MLFLOW)_/.test(name) && !used.has(name))).toEqual([]);
});

test("the map shows each folder of src", () => {
  const shown = tableRows(readme, "Map of the code").flatMap(([, folder = ""]) => codeSpans(folder));
  const folders = [...new Set([...new Bun.Glob("src/**/*.ts").scanSync({ cwd: project })].map((file) => file.split("/")[1] as string))];
  expect(shown.toSorted()).toEqual(folders.map((name) => (name.endsWith(".ts") ? name : `${name}/`)).toSorted());
});

test("each command stands once in the map, beside a floor that its file works with, and has the file that its words say", () => {
  const placed = tableRows(readme, "Map of the code").flatMap(([, folder = "", , names = ""]) =>
    codeSpans(names)
      .flatMap((name) => (name.endsWith(" …") ? Object.keys(COMMANDS).filter((one) => one.startsWith(name.slice(0, -1))) : [name]))
      .map((name) => ({ name, floor: codeSpans(folder)[0] })),
  );
  expect(placed.map(({ name }) => name).toSorted()).toEqual(Object.keys(COMMANDS).toSorted());
  for (const { name, floor } of placed) {
    const text = readPage(`src/cli/${name.replace(" ", "/")}.ts`);
    if (floor !== "cli/") expect([name, text.includes(`/${floor}`)]).toEqual([name, true]);
  }
});

test("every page of docs is linked", () => {
  const linked = [...readme.matchAll(/\]\((docs\/[^)#]+\.md)[^)]*\)/g)].map((match) => match[1] as string);
  const unlinked = [...new Bun.Glob("docs/**/*.md").scanSync({ cwd: project })].filter((page) => !linked.includes(page));
  expect(unlinked).toEqual([]);
});

function byValue(a: number, b: number): number {
  return a - b;
}

/**
 * Names of variables: what is taken from an environment by name, and every word that looks like one of ours or MLflow's. The allow-list of what is recorded is
 * about the command's environment: nothing of ours depends on it.
 */
async function variablesOf(globs: string[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (const glob of globs)
    for (const file of new Bun.Glob(glob).scanSync({ cwd: project })) {
      if (file === "src/run/child/environment.ts") continue;
      const text = readPage(file);
      for (const match of text.matchAll(
        /\benv(?:ironment)?(?:\?)?(?:\.)?\["([A-Z][A-Z0-9_]*)"\]|\b((?:COFFER|CORE|MLFLOW|XDG)_[A-Z0-9_]*[A-Z0-9])\b/g,
      ))
        found.add((match[1] ?? match[2]) as string);
    }
  return found;
}
