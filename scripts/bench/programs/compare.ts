// Asks for the state of each file of a folder and merges it with what was noted before: the least that "nothing changed" has to cost.
// `compare FOLDER NOTES`; where there are no notes yet, it writes them.
import { existsSync, lstatSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

const [folder = "", notes = ""] = process.argv.slice(2);
const lines: string[] = [];
walk(folder);
lines.sort();
if (existsSync(notes)) console.log(countDifferences(readFileSync(notes, "utf8").split("\n"), lines));
else writeFileSync(notes, lines.join("\n"));

function walk(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory()) {
      walk(path);
      continue;
    }
    const { size, mtimeMs, ctimeMs, ino } = lstatSync(path);
    lines.push(`${path}\t${size}\t${mtimeMs}\t${ctimeMs}\t${ino}`);
  }
}

function countDifferences(before: readonly string[], now: readonly string[]): number {
  let [left, right, different] = [0, 0, 0];
  while (left < before.length || right < now.length) {
    const [old, own] = [before[left], now[right]];
    if (old === own) {
      left++;
      right++;
      continue;
    }
    different++;
    if (own === undefined || (old !== undefined && old < own)) left++;
    else right++;
  }
  return different;
}
