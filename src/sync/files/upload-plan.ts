import type { Piece, RemoteFile } from "./lay-out.ts";

export interface UploadPlan {
  /** Each path once, the largest first. */
  work: RemoteFile[];
  /** Those of them that lie there as they should. */
  there: ReadonlySet<string>;
  /** The pieces that a path belongs to: two artifacts may hold one file. */
  owners: ReadonlyMap<string, readonly Piece[]>;
}

/** Each file of these pieces once, the largest first. */
export function filesToSend(pieces: readonly Piece[]): RemoteFile[] {
  const files = new Map(pieces.flatMap((piece) => piece.files.map((file) => [file.path, file] as const)));
  return [...files.values()].sort((a, b) => b.size - a.size);
}

/**
 * What of the pieces is to go to a server that has files of these sizes, by path. One of the right size is ours, unless something else had its path. `own`: where
 * others send to the run as well, the paths whose bytes were read and are ours.
 */
export function planUploads(pieces: readonly Piece[], sizes: ReadonlyMap<string, number>, own?: ReadonlySet<string>): UploadPlan {
  const owners = new Map<string, Piece[]>();
  for (const piece of pieces)
    for (const { path } of piece.files) {
      const mine = owners.get(path) ?? [];
      if (!mine.includes(piece)) owners.set(path, [...mine, piece]);
    }
  const work = filesToSend(pieces);
  const isThere = ({ path, size }: RemoteFile): boolean =>
    own ? own.has(path) : sizes.get(path) === size && (owners.get(path) ?? []).every(({ contested }) => !contested);
  return { work, there: new Set(work.filter(isThere).map(({ path }) => path)), owners };
}
