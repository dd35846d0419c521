import type { TreeEntry } from "./tree.ts";

/** A system follows no more links on one way. */
const MAX_HOPS = 40;

/** The paths of links that lead out of the directory, followed through its other links as a system would. */
export function linksThatLeave(entries: readonly TreeEntry[]): string[] {
  const targets = new Map(entries.flatMap((entry) => (entry.kind === "link" ? [[entry.path, entry.target] as const] : [])));
  const leaves = (path: string, target: string): boolean => {
    const here = path.split("/").slice(0, -1);
    const ahead = target.split("/").reverse();
    let hops = 0;
    for (let part = ahead.pop(); part !== undefined; part = ahead.pop()) {
      if (part === "" || part === ".") continue;
      if (part !== "..") here.push(part);
      else if (here.pop() === undefined) return true;
      const next = part === ".." ? undefined : targets.get(here.join("/"));
      if (next === undefined) continue;
      if (next.startsWith("/")) return true;
      if (++hops > MAX_HOPS) return false;
      here.pop();
      ahead.push(...next.split("/").reverse());
    }
    return false;
  };
  return [...targets].filter(([path, target]) => target.startsWith("/") || leaves(path, target)).map(([path]) => path);
}

/** Whether a link at `path`, read as text, points to something inside the directory. */
export function linkStaysInside(path: string, target: string): boolean {
  if (target.startsWith("/")) return false;
  let depth = path.split("/").length - 1;
  for (const part of target.split("/")) {
    if (part === "..") depth--;
    else if (part !== "" && part !== ".") depth++;
    if (depth < 0) return false;
  }
  return true;
}
