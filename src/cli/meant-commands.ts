import { closest } from "../domain/closest.ts";
import { COMMANDS } from "./commands.ts";

/** What other tools call it. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  add: "log",
  cat: "get",
  clean: "gc",
  delete: "rm",
  download: "get",
  exec: "run",
  find: "ls",
  history: "runs",
  list: "ls",
  prune: "gc",
  push: "sync-mlflow",
  remove: "rm",
  save: "log",
  search: "ls",
  status: "runs",
  upload: "sync-mlflow",
};

const LEAST_PREFIX = 2;
const LEAST_PART = 4;
const MOST = 3;

/** The commands that a person who typed this most likely meant: mistyped, cut short, a part of one, or another tool's word. */
export function meantCommands(typed: string): string[] {
  const word = typed.toLowerCase();
  const names = Object.keys(COMMANDS);
  const other = Object.hasOwn(ELSEWHERE, word) ? ELSEWHERE[word] : undefined;
  if (other !== undefined) return [other];
  const longer = word.length < LEAST_PREFIX ? [] : names.filter((name) => name.startsWith(word));
  if (longer.length > 0) return longer.slice(0, MOST);
  const near = closest(word, names);
  if (near !== undefined) return [near];
  return word.length < LEAST_PART ? [] : names.filter((name) => name.includes(word)).slice(0, MOST);
}
