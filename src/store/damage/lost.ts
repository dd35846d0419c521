import { decodeTree } from "../../blobs/decode-tree.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import * as damaged from "../../db/bytes/damage.ts";
import type { BlobUse } from "../../db/bytes/damage.ts";
import type { Digest } from "../../domain/digest.ts";
import { CofferError } from "../../domain/error.ts";
import type { Damage } from "./damage.ts";
import { blobRow, hexOf, readChecked } from "../read.ts";
import type { Store } from "../store.ts";

/** Where an artifact has some bytes. */
export interface Use extends BlobUse {
  /** Within the artifact, where that is a directory; undefined for its own bytes or list, and where its list is lost too and cannot tell. */
  inner: string | undefined;
}

/** Bytes that the store lost, and what tells where others like them may lie. */
export interface Lost {
  digest: Digest;
  size: number;
  /** undefined where the row is lost as well, and only the list of a directory tells of it. */
  row: BlobRow | undefined;
  /** That directory. */
  tree: number | undefined;
  /** It is the list of a directory. */
  isList: boolean;
  uses: Use[];
}

/** The paths within a directory of each file in it, by hex digest. */
type List = Map<string, string[]>;

/** Where such a file is, as a path within its run; undefined where only a lost list could tell. */
export function pathInRun({ path, inner, tree }: Use): string | undefined {
  if (inner !== undefined) return `${path}/${inner}`;
  return tree === null ? path : undefined;
}

/** What was lost, each blob once. Lists of directories come first: they tell where their files were. */
export async function listLost(store: Store, damage: readonly Damage[]): Promise<Lost[]> {
  const lists = new Map<number, List>();
  const listOf = async (tree: number): Promise<List> => {
    const list = lists.get(tree) ?? (await readList(store, tree));
    lists.set(tree, list);
    return list;
  };
  const byKey = new Map<string, Lost>();
  for (const { blob, member } of damage) {
    if (blob === undefined) continue;
    const key = member ? `${blob} ${member.hex}` : `${blob}`;
    if (byKey.has(key)) continue;
    const lost = member ? lostMember(store, blob, member) : await lostBlob(store, blob, listOf);
    if (lost) byKey.set(key, lost);
  }
  return [...byKey.values()].sort((a, b) => Number(b.isList) - Number(a.isList));
}

async function lostBlob(store: Store, seq: number, listOf: (tree: number) => Promise<List>): Promise<Lost | undefined> {
  const row = blobs.bySeq(store.db, seq);
  if (!row || row.state === "trashed") return undefined;
  const hex = hexOf(row);
  const uses: Use[] = [];
  for (const use of damaged.usesOf(store.db, seq)) {
    const inside = use.tree === null ? [] : ((await listOf(use.tree)).get(hex) ?? []);
    if (inside.length === 0) uses.push({ ...use, inner: undefined });
    for (const inner of inside) uses.push({ ...use, inner });
  }
  const isList = uses.some(({ kind, tree }) => kind === "tree" && tree === null);
  return { digest: { algorithm: row.blake3 ? "blake3" : "sha256", hex }, size: row.size, row, tree: undefined, isList, uses };
}

function lostMember(store: Store, tree: number, { hex, size, path }: NonNullable<Damage["member"]>): Lost {
  const uses = damaged.usesOf(store.db, tree).map((use) => ({ ...use, tree, inner: path }));
  return { digest: { algorithm: "blake3", hex }, size, row: undefined, tree, isList: false, uses };
}

/** Of a list that is lost itself, nothing: it is restored first, and its files in the next round. */
async function readList(store: Store, tree: number): Promise<List> {
  const list: List = new Map();
  try {
    for (const entry of decodeTree(await readChecked(store, blobRow(store, tree))))
      if (entry.kind === "file") list.set(entry.hex, [...(list.get(entry.hex) ?? []), entry.path]);
  } catch (error) {
    if (!(error instanceof CofferError)) throw error;
  }
  return list;
}
