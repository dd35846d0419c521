import { relative } from "node:path";
import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import { stoppedBecause } from "../../db/garbage/tables.ts";
import * as packs from "../../db/bytes/packs.ts";
import * as whyKept from "../../db/garbage/why-kept.ts";
import { formatDigest, parseDigestPrefix } from "../../domain/digest.ts";
import { CofferError } from "../../domain/error.ts";
import { countOf } from "../../domain/quantity.ts";
import { hexOf, locate } from "../../store/read.ts";
import type { Store } from "../../store/store.ts";
import type { GcRules } from "../plan/rules.ts";
import { commonKeeper, oldestMaker, strayAt } from "../plan/strays.ts";
import { explain, leaseWords } from "./why.ts";
import type { ArtifactWhy } from "./why.ts";

/** Why bytes are there. */
export interface BytesWhy {
  /** null: a pack, or a file that no row names. */
  digest: string | null;
  /** Under the store's root; of a packed one that of its pack; null where they are gone. */
  path: string | null;
  size: number;
  /** `live`, `unverified`, `condemned`, `trashed`, `gone`; of a file without a digest `pack` or `stray`. */
  state: string;
  /** What keeps them beside the artifacts that have them. */
  keeps: string[];
  /** Why gc takes them; null where it does not. */
  goes: string | null;
}

const MANY = 20;

/**
 * Of a digest, or a path below `binaries/`: what is known of these bytes, and of the artifacts that have them. undefined where the reference is none of both.
 * @throws CofferError NOT_FOUND, AMBIGUOUS
 */
export function explainBytes(store: Store, ref: string, rules: GcRules): { bytes: BytesWhy; artifacts: ArtifactWhy[] } | undefined {
  const path = pathOf(store, ref);
  if (path !== undefined) {
    const blob = whyKept.blobAtPath(store.db, path);
    return blob === undefined ? ofFile(store, path, rules) : ofBlob(store, blobs.bySeq(store.db, blob) as BlobRow, rules);
  }
  const prefix = parseDigestPrefix(ref);
  if (!prefix) return undefined;
  const found = blobs.byDigestPrefix(store.db, prefix);
  if (found.length > 1)
    throw new CofferError("AMBIGUOUS", `“${ref}” begins ${found.length} digests`, {
      hint: "give more digits",
      candidates: found.slice(0, MANY).map((seq) => digestOf(blobs.bySeq(store.db, seq) as BlobRow)),
    });
  return found[0] === undefined ? ofTombstones(store, ref, rules) : ofBlob(store, blobs.bySeq(store.db, found[0]) as BlobRow, rules);
}

/** Under the store's root, where it is one below `binaries/`. */
function pathOf(store: Store, ref: string): string | undefined {
  if (!ref.startsWith("binaries/") && !ref.startsWith(`${store.root}/binaries/`)) return undefined;
  const path = relative(store.root, store.path(ref));
  if (!path.startsWith("binaries/")) throw noFile(path);
  return path;
}

function noFile(path: string): CofferError {
  return new CofferError("NOT_FOUND", `no ${path} is stored here`, {
    hint: "name a file below binaries/, as it stands below the store's root",
  });
}

function ofBlob(store: Store, row: BlobRow, rules: GcRules): { bytes: BytesWhy; artifacts: ArtifactWhy[] } {
  const users = whyKept.usersOf(store.db, row.seq, MANY);
  const keeps = [...leaseWords(store, row.seq), ...stopWords(store)];
  return {
    bytes: {
      digest: digestOf(row),
      path: store.keep(locate(store, row).path),
      size: row.size,
      state: row.state,
      keeps,
      goes: users.length + keeps.length === 0 ? "no artifact names them: the next coffer gc --apply takes them" : null,
    },
    artifacts: users.map((seq) => explain(store, artifacts.bySeq(store.db, seq) as ArtifactRow, rules)),
  };
}

function ofTombstones(store: Store, ref: string, rules: GcRules): { bytes: BytesWhy; artifacts: ArtifactWhy[] } {
  const rows = whyKept.tombstonesOf(store.db, ref, MANY).map((seq) => artifacts.bySeq(store.db, seq) as ArtifactRow);
  const [first] = rows;
  if (!first)
    throw new CofferError("NOT_FOUND", `nothing in this store has, or had, the digest ${ref}`, { hint: "coffer ls --json shows digests" });
  return {
    bytes: { digest: first.digest, path: null, size: first.size, state: "gone", keeps: [], goes: null },
    artifacts: rows.map((row) => explain(store, row, rules)),
  };
}

function ofFile(store: Store, path: string, rules: GcRules): { bytes: BytesWhy; artifacts: ArtifactWhy[] } {
  const pack = packs.atPath(store.db, path);
  if (pack) {
    const members = pack.members > 0 ? [`${countOf(pack.members, "blob")} in it; tar tf lists their digests`] : [];
    const keeps = [...members, ...stopWords(store)];
    const goes = keeps.length > 0 ? null : "no blob in it is left: the next coffer gc --apply takes it";
    return { bytes: { digest: null, path, size: pack.size, state: "pack", keeps, goes }, artifacts: [] };
  }
  const stray = strayAt(store, path, { grace: rules.grace, maker: oldestMaker(store) });
  if (!stray) throw noFile(path);
  const stops = stopWords(store);
  const common = (): string | undefined => commonKeeper(store, { scope: { dataset: null, part: "all" }, isStopped: false })(path);
  const keeper =
    stops[0] ?? stray.keeper ?? common() ?? (rules.orphans ? undefined : "no rule takes what no row names (cleanup_policy.orphans)");
  return {
    bytes: {
      digest: null,
      path,
      size: stray.bytes,
      state: "stray",
      keeps: keeper === undefined ? [] : [keeper],
      goes: keeper === undefined ? "no row names this file: the next coffer gc --apply takes it" : null,
    },
    artifacts: [],
  };
}

function stopWords({ db }: Store): string[] {
  const because = stoppedBecause(db);
  return because === undefined ? [] : [because];
}

function digestOf(row: BlobRow): string {
  return formatDigest({ algorithm: row.blake3 ? "blake3" : "sha256", hex: hexOf(row) });
}
