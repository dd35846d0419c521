import { closeSync, createWriteStream, fstatSync, lstatSync, readSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { TAR_END, tarHeader, tarPadding } from "../blobs/tar-header.ts";
import { CofferError, errno } from "../domain/error.ts";
import { cannotTake } from "../store/ingest/cannot-take.ts";
import { openSource } from "../store/ingest/open-source.ts";
import { walk } from "../store/ingest/walk.ts";
import type { Problem } from "../store/ingest/walk.ts";

/** What stands beside an archive. */
export interface CheckpointManifest {
  trial_number: number | null;
  archive_format: "tar.gz";
  /** The directory that unpacking makes: every member lies under it. */
  extracted_path: string;
  /** In the order of the archive; paths count from `extracted_path`. A link has no bytes of its own. */
  files: { path: string; size: number; link?: string }[];
  /** Bytes of all files, unpacked. */
  total_size: number;
  /** ISO 8601: when the newest file of the checkpoint was written, so that the same checkpoint has the same manifest. */
  created_at: string;
  file_count: number;
}

export interface ArchiveRequest {
  /** A file or a directory; absolute. Nothing of it is changed. */
  source: string;
  trial: number | undefined;
  /** By path within the directory. */
  leaveOut: (path: string) => boolean;
  /** Where the archive goes; nothing may be there yet. */
  to: string;
}

const CHUNK = 1 << 18;
const ATTEMPTS = 3;

/**
 * Packs a checkpoint as a tar.gz that is the same, byte for byte, whenever it is made of the same paths and bytes: members are sorted, and hold no
 * times, no owners, and one of two modes. Only a chunk of it is in memory. Links inside stay links; an empty directory is listed as a problem.
 * @throws CofferError UNREADABLE, STORE_UNUSABLE; no archive is left then
 */
export async function writeCheckpointArchive(request: ArchiveRequest): Promise<{ manifest: CheckpointManifest; problems: Problem[] }> {
  for (let attempt = 1; ; attempt++) {
    const { members, problems } = listMembers(request);
    const prefix = basename(request.source) || "checkpoint";
    const unread = problems.filter((problem) => problem.failed).map(({ path, why }) => `${prefix}/${path}: ${why}`);
    if (unread.length > 0)
      throw new CofferError("UNREADABLE", `${unread.length === 1 ? "a file" : `${unread.length} files`} could not be kept: ${unread[0]}`, {
        hint: "make it readable, or leave it out with --ignore PATTERN; nothing was stored",
        candidates: unread.slice(1, 20),
      });
    const manifest = newManifest(prefix, request.trial);
    let newest = 0;
    const packed = (member: Member, size: number, mtime: number): void => {
      manifest.files.push({ path: member.path, size, ...(member.target !== undefined && { link: member.target }) });
      manifest.total_size += size;
      newest = Math.max(newest, mtime);
    };
    try {
      const gzip = createGzip({ chunkSize: CHUNK });
      await pipeline(Readable.from(blocksOf(members, prefix, packed)), gzip, createWriteStream(request.to, { flags: "wx" }));
    } catch (error) {
      rmSync(request.to, { force: true });
      if (error instanceof Changed && attempt < ATTEMPTS) {
        await Bun.sleep(20 * attempt);
        continue;
      }
      if (error instanceof Changed)
        throw new CofferError("UNREADABLE", `${error.path} keeps changing while it is read`, { hint: "wait until its writer is done" });
      if (error instanceof CofferError || errno(error) === undefined) throw error;
      throw cannotTake(error);
    }
    manifest.file_count = manifest.files.length;
    manifest.created_at = new Date(newest || Math.floor(lstatSync(request.source).mtimeMs)).toISOString();
    return { manifest, problems };
  }
}

interface Member {
  /** Within the checkpoint. */
  path: string;
  absolute: string;
  /** Of a link. */
  target?: string;
}

function listMembers({ source, leaveOut }: ArchiveRequest): { members: Member[]; problems: Problem[] } {
  if (!lstatSync(source).isDirectory()) return { members: [{ path: basename(source), absolute: source }], problems: [] };
  const { files, others, problems } = walk(source, leaveOut);
  const members: Member[] = files.map((path) => ({ path, absolute: `${source}/${path}` }));
  for (const entry of others)
    if (entry.kind === "link") members.push({ path: entry.path, absolute: `${source}/${entry.path}`, target: entry.target });
  for (const entry of others)
    if (entry.kind === "directory" && !members.some(({ path }) => path.startsWith(`${entry.path}/`)))
      problems.push({ path: entry.path, why: "it is an empty directory, and the archive holds files", failed: false });
  members.sort((one, other) => (one.path < other.path ? -1 : 1));
  return { members, problems };
}

function newManifest(prefix: string, trial: number | undefined): CheckpointManifest {
  return {
    trial_number: trial ?? null,
    archive_format: "tar.gz",
    extracted_path: prefix,
    files: [],
    total_size: 0,
    created_at: "",
    file_count: 0,
  };
}

/** A file was written to while it was read: its header has gone out with another size. */
class Changed extends Error {
  readonly path: string;
  constructor(path: string) {
    super(`${path} changed`);
    this.path = path;
  }
}

function* blocksOf(
  members: readonly Member[],
  prefix: string,
  packed: (member: Member, size: number, mtime: number) => void,
): Generator<Uint8Array> {
  for (const member of members) {
    const path = `${prefix}/${member.path}`;
    if (member.target !== undefined) {
      yield tarHeader({ path, size: 0, mode: 0o777, target: member.target });
      packed(member, 0, 0);
      continue;
    }
    const { fd, stat } = openSource(member.absolute);
    try {
      const size = Number(stat.size);
      yield tarHeader({ path, size, mode: (stat.mode & 0o100n) === 0n ? 0o644 : 0o755 });
      for (let at = 0; at < size;) {
        const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK, size - at));
        const read = readSync(fd, chunk, 0, chunk.length, at);
        if (read === 0) throw new Changed(member.absolute);
        yield read === chunk.length ? chunk : chunk.subarray(0, read);
        at += read;
      }
      const after = fstatSync(fd, { bigint: true });
      if (after.size !== stat.size || after.mtimeNs !== stat.mtimeNs) throw new Changed(member.absolute);
      yield Buffer.alloc(tarPadding(size));
      packed(member, size, Math.floor(Number(stat.mtimeMs)));
    } finally {
      closeSync(fd);
    }
  }
  yield TAR_END;
}
