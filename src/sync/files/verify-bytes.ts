import { loadBlake3 } from "../../blobs/blake3.ts";
import { destinationOf } from "../../mlflow/artifacts/destination.ts";
import { downloadArtifact } from "../../mlflow/artifacts/download-artifact.ts";
import type { DownloadSink } from "../../mlflow/artifacts/download-artifact.ts";
import { inParallel } from "./in-parallel.ts";
import type { Piece, RemoteFile } from "./lay-out.ts";
import { checkTime } from "../sync.ts";
import type { Delivering } from "../sync.ts";

/**
 * Reads files back through the server and hashes them as they come, none of them in memory as a whole. Returns those that are others than what was sent: why, by
 * the seq of their outbox entry. What was read in this call is not read again.
 * @throws CofferError SERVER_UNREACHABLE; SERVER_REFUSED where the server cannot read its own storage
 */
export async function verifyBytes(one: Delivering, pieces: readonly Piece[]): Promise<Map<number, string>> {
  const { sync, tally } = one;
  const differing = new Map<number, string>();
  const unread = pieces.filter((piece) => !sync.verified.has(piece.entry.seq));
  const files = [...new Map(unread.flatMap((piece) => piece.files.map((file) => [file.path, file] as const))).values()];
  const whole = await filesWithOwnBytes(one, files, (file) => {
    tally.verified.files++;
    tally.verified.bytes += file.size;
  });
  for (const piece of unread) {
    const bad = piece.files.find(({ path }) => !whole.has(path));
    if (bad) differing.set(piece.entry.seq, `the server has other bytes in ${bad.path}`);
    else sync.verified.add(piece.entry.seq);
  }
  return differing;
}

/**
 * Paths of those files whose bytes lie on the server as they are here. Each of them must be there.
 * @throws CofferError SERVER_UNREACHABLE; SERVER_REFUSED where the server cannot read its own storage
 */
export async function filesWithOwnBytes(
  { sync, delivery }: Delivering,
  files: readonly RemoteFile[],
  read: (file: RemoteFile) => void = () => undefined,
): Promise<Set<string>> {
  const own = new Set<string>();
  const destination = destinationOf(sync.connection, delivery.artifact_uri ?? "");
  const proxied = destination.kind === "proxied" ? destination : undefined;
  await inParallel(files, sync.jobs, async (file) => {
    checkTime(sync);
    const hash = await hashing(file);
    try {
      await downloadArtifact(sync.connection, delivery.remote_run as string, file.path, hash.sink, proxied);
      if (hash.hex() === file.digest.hex) own.add(file.path);
    } catch (error) {
      if (!(error instanceof TooLong)) throw error;
    }
    read(file);
  });
  return own;
}

/** More bytes came than the file has: they are others, and may have no end. */
class TooLong extends Error {}

async function hashing({ digest: { algorithm }, size }: RemoteFile): Promise<{ sink: DownloadSink; hex: () => string }> {
  const blake3 = await loadBlake3();
  const begin = () => (algorithm === "blake3" ? blake3.hasher() : new Bun.CryptoHasher("sha256"));
  let hasher = begin();
  let left = size;
  return {
    sink: {
      start() {
        hasher = begin();
        left = size;
      },
      take(chunk) {
        left -= chunk.length;
        if (left < 0) throw new TooLong();
        hasher.update(chunk);
      },
    },
    hex: () => hasher.digest().toString("hex"),
  };
}
