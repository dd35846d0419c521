import type { Change } from "./log-values.ts";
import { remoteKey } from "./remote-key.ts";

/** Of keys of one kind those whose name on the server is another one's as well: what `k#1` is mapped to may be the name of a key, too. Nearly always none. */
export function mergedKeys(kind: Change["kind"], keys: Iterable<string>): Change[] {
  const owners = new Map<string, { key: string; changed: boolean }>();
  const merged: Change[] = [];
  for (const key of keys) {
    const name = remoteKey(key);
    const owner = owners.get(name.key);
    if (!owner) owners.set(name.key, { key, changed: name.changed });
    // said of the one that is called otherwise: the name tells the other
    else if (owner.key !== key) merged.push({ kind, key: name.changed ? key : owner.key, what: "merged", to: name.key });
  }
  return merged;
}
