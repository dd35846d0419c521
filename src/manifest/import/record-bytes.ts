import * as blobs from "../../db/bytes/blobs.ts";
import type { BlobRow } from "../../db/bytes/blobs.ts";
import * as foreign from "../../db/bytes/foreign-blobs.ts";
import * as imported from "../../db/records/imported-artifacts.ts";
import { formatDigest } from "../../domain/digest.ts";
import { CofferError } from "../../domain/error.ts";
import { digestOf, isInPlace, isUnread } from "../../store/read.ts";
import type { Store } from "../../store/store.ts";
import type { PlannedItem } from "./plan-import.ts";

/** A blob that was taken into the store, by the digest that the manifest gives. */
export type Taken = ReadonlyMap<string, { blob: number; hex: string; size: number; files: number; mode: number }>;

export interface RecordBytes {
  blob: number;
  digest: string;
  /** As the bytes are, where somebody has read them; else as the manifest says. */
  kind: "file" | "tree";
  size: number;
  files: number;
  isUnread: boolean;
  /** The store had looked for them elsewhere. */
  isMoved: boolean;
}

/**
 * The blob of a record: what was copied, what the store knows by its digest, or what lies where the manifest says and nobody has read. Inside a write transaction.
 * @throws CofferError COLLISION
 */
export function recordBytes(store: Store, planned: PlannedItem, taken: Taken): RecordBytes {
  const { item, block, dataset, digest, bytes, place, lacking } = planned;
  const known = blobs.byDigest(store.db, digest);
  const copy = taken.get(formatDigest(digest));
  if (copy) {
    if (digest.algorithm === "sha256") learnCopied(store, known, copy, Buffer.from(digest.hex, "hex"));
    const { blob, size, files } = copy;
    return { blob, digest: `blake3:${copy.hex}`, kind: bytes?.kind ?? "file", size, files, isUnread: false, isMoved: false };
  }
  const size = known && !isUnread(known) ? known.size : (item.size ?? bytes?.size ?? known?.size ?? 0);
  const said = { kind: block?.kind ?? ("file" as const), size, files: block?.kind === "tree" ? block.files : 1 };
  // what a sweep has in its hands is not the store's any more, and a file elsewhere may have moved
  const isLost =
    known !== null &&
    (known.state === "trashed" || (known.place === "foreign" && !lacking && bytes?.size === size && !isInPlace(store, known)));
  if (known && !isLost) {
    if (known.state === "condemned") blobs.revive(store.db, known.seq);
    return { blob: known.seq, digest: digestOf(known), ...contentOf(store, known, said), isUnread: isUnread(known), isMoved: false };
  }
  const other = foreign.atPath(store.db, place);
  if (other && other.seq !== known?.seq)
    throw new CofferError(
      "COLLISION",
      `${place} is known as ${other.digest} already, and ${item.id} says that it is ${formatDigest(digest)}`,
      {
        hint: "one file has one content: mend the manifest, or import with --copy; nothing was stored",
      },
    );
  if (known) {
    foreign.move(store.db, known.seq, { path: place, size, dataset });
    return { blob: known.seq, digest: digestOf(known), ...said, isUnread: true, isMoved: true };
  }
  const hex = Buffer.from(digest.hex, "hex");
  const blob = foreign.insert(store.db, {
    blake3: digest.algorithm === "blake3" ? hex : null,
    sha256: digest.algorithm === "sha256" ? hex : null,
    size,
    dataset,
    path: place,
    created_at: store.now(),
  });
  return { blob, digest: formatDigest(digest), ...said, isUnread: true, isMoved: false };
}

type Content = Pick<RecordBytes, "kind" | "size" | "files">;

/** Bytes that the store has are what they are, whatever a manifest says of them. */
function contentOf(store: Store, blob: BlobRow, said: Content): Content {
  if (isUnread(blob)) return { ...said, size: blob.size };
  return imported.contentOf(store.db, blob.seq, said.kind) ?? { kind: "file", size: blob.size, files: 1 };
}

/** The bytes that came in are known by their SHA-256 too, and what was known by that alone is they. */
function learnCopied(store: Store, known: BlobRow | null, copy: { blob: number; hex: string; size: number }, sha256: Buffer): void {
  if (known && known.seq !== copy.blob)
    foreign.merge(store.db, known.seq, copy.blob, { blake3: Buffer.from(copy.hex, "hex"), sha256, size: copy.size });
  else foreign.learnSha256(store.db, copy.blob, sha256);
}
