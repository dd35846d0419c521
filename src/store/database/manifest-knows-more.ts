import { readRegular } from "../../blobs/read-regular.ts";
import * as integrity from "../../db/check/integrity.ts";
import { errno, reason } from "../../domain/error.ts";
import { parseYaml } from "../../domain/parse-yaml.ts";
import type { Store } from "../store.ts";

/** The last line of a manifest that was written to its end. Older ones lack it, and are whole where they can be read. */
const END = "\n  complete: true\n";
/** An artifact of the `coffer` block, as it is written there: other keys of that name stand deeper, or in quotes. */
const OWN_UID = /^  (?:- |  )uid: "([^"\\]+)"$/gm;

/**
 * Why a manifest of a run that the database knows may tell more than the database, which an older one took the place of then; undefined where it does not, or is gone.
 * Reading fifty thousand of them takes seconds. `known`: its text, where that was read already.
 */
export function manifestKnowsMore(store: Store, path: string, known?: string): string | undefined {
  let text: string;
  try {
    text = known ?? readRegular(path);
  } catch (error) {
    return errno(error) === "ENOENT"
      ? undefined
      : `cannot be read (${reason(error)}), and may tell of artifacts that the database does not know`;
  }
  const uids = uidsIn(text);
  if (!uids) return "cannot be read to its end, and may tell of artifacts that the database does not know";
  return integrity.lacksArtifact(store.db, uids) ? "tells of artifacts that the database does not know" : undefined;
}

function uidsIn(text: string): string[] | undefined {
  if (text.endsWith(END)) return [...text.matchAll(OWN_UID)].map(([, uid]) => uid as string);
  try {
    const { artifacts: shown, coffer } = objectOf(parseYaml(text));
    const [items, blocks] = [objectOf(shown)["items"], objectOf(coffer)["artifacts"]];
    // the blocks come last: where one of an item is not there, the rest broke off between two lines
    if (!Array.isArray(items) || !Array.isArray(blocks) || blocks.length < items.length) return undefined;
    return blocks.map((block) => String(objectOf(block)["uid"]));
  } catch {
    return undefined;
  }
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
