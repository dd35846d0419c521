import { lstatSync } from "node:fs";
import * as blobs from "../db/blobs.ts";
import type { BlobRow } from "../db/blobs.ts";
import * as outbox from "../db/outbox.ts";
import { CofferError } from "../domain/error.ts";
import { ServerRefusal } from "../mlflow/refusal.ts";
import { sameStamp, stampOf } from "../store/stamp.ts";
import { chooseRoute, whyNot } from "./choose-route.ts";
import type { Route } from "./choose-route.ts";
import { inParallel } from "./in-parallel.ts";
import { directoriesOf } from "./lay-out.ts";
import type { Layout, Piece, RemoteFile } from "./lay-out.ts";
import { listThere } from "./list-there.ts";
import { dropLeftovers } from "./place-shared.ts";
import { sendFile } from "./send-file.ts";
import type { Sent } from "./send-file.ts";
import { dropIdleParts, partsWeight } from "./send-parts.ts";
import { endsAll, inWords } from "./sync.ts";
import type { Delivering } from "./sync.ts";
import { tell } from "./tell.ts";
import { filesWithOwnBytes } from "./verify-bytes.ts";

/** Older servers hold each body in memory. */
const BYTES_IN_FLIGHT = 256 * 1024 * 1024;

/**
 * Sends the files of all open artifact entries, the largest first, and settles each entry when its last file is there. A file that cannot be
 * sent fails its entry; the others go on. Returns the first such error.
 * @throws CofferError SERVER_UNREACHABLE, once the uploads that were under way have ended
 */
export async function sendArtifacts(
  one: Delivering,
  layout: Layout,
  options: { shared: boolean; again: boolean },
): Promise<CofferError | undefined> {
  const { sync, delivery } = one;
  const { store } = sync;
  let failure: CofferError | undefined;
  const fail = (entry: number, error: unknown): void => {
    if (!(error instanceof CofferError)) throw error;
    store.transaction(() => outbox.failed(store.db, entry, inWords(error)));
    if (endsAll(error)) throw error;
    failure ??= error;
  };
  for (const { entry, error } of layout.faults) if (entry.settled_at === null) fail(entry.seq, error);
  const open = layout.pieces.filter((piece) => piece.entry.settled_at === null).map((piece) => new OpenPiece(piece));
  if (open.length === 0) return failure;

  const remote = { id: delivery.remote_run as string, artifactUri: delivery.artifact_uri as string };
  let route: Route;
  try {
    route = await chooseRoute(sync, remote, options.shared);
  } catch (error) {
    for (const { piece } of open) fail(piece.entry.seq, error);
    return failure;
  }
  const there = options.again || options.shared ? await filesThere(one, open) : new Map<string, number>();
  const [first] = route.ways;
  if (first?.kind === "disk" && !options.shared) dropLeftovers(first.directory, there.keys());
  const owners = new Map<string, OpenPiece[]>();
  for (const owner of open) for (const file of owner.piece.files) owners.set(file.path, [...(owners.get(file.path) ?? []), owner]);
  const work = [...new Map(open.flatMap((owner) => owner.piece.files.map((file) => [file.path, file] as const))).values()].sort(
    (a, b) => b.size - a.size,
  );
  const own = options.shared ? await ownAmongOthers(one, work, there) : undefined;
  const isThere = (file: RemoteFile): boolean =>
    own?.has(file.path) ?? (there.get(file.path) === file.size && (owners.get(file.path) ?? []).every(({ piece }) => !piece.contested));
  await dropIdleParts(one, route, new Set(work.filter((file) => !isThere(file)).map((file) => file.path)));
  const weight = await weigher(one, route, work);
  const watch = watchProgress(one, work);
  const settle = (owner: OpenPiece): void => {
    if (owner.waiting > 0 || owner.failed) return;
    settlePiece(one, owner);
    sync.answered();
  };
  // a directory without files has nothing to wait for
  for (const owner of open) settle(owner);

  await inParallel(work, { jobs: sync.jobs, weight: BYTES_IN_FLIGHT }, weight, async (file) => {
    const mine = owners.get(file.path) ?? [];
    try {
      const sent: Sent = isThere(file) ? { how: "there" } : await sendFile(one, route, file, watch.moved(file));
      watch.done(file, sent.how);
      for (const owner of mine) {
        owner.sent(sent.how, sent.linked);
        settle(owner);
      }
    } catch (error) {
      for (const owner of mine) {
        owner.failed = true;
        fail(owner.piece.entry.seq, error);
      }
    }
  });
  return failure;
}

/** An artifact whose files are under way. */
class OpenPiece {
  readonly piece: Piece;
  waiting: number;
  failed = false;
  readonly ways = new Set<string>();
  readonly linked: BlobRow[] = [];

  constructor(piece: Piece) {
    this.piece = piece;
    this.waiting = new Set(piece.files.map((file) => file.path)).size;
  }

  sent(how: string, linked: BlobRow | undefined): void {
    this.waiting--;
    this.ways.add(how);
    if (linked) this.linked.push(linked);
  }
}

function settlePiece({ sync: { store } }: Delivering, { piece, ways, linked }: OpenPiece): void {
  store.transaction(() => {
    outbox.settle(store.db, piece.entry.seq, store.now(), { how: [...ways].sort().join("+"), bytes: piece.artifact.size });
    for (const row of linked) restamp(store, row);
  });
}

/** Without this, each blob that was linked would be hashed again at its next use: a link changes its ctime. */
export function restamp(store: Delivering["sync"]["store"], row: BlobRow): void {
  const stat = lstatSync(store.path(row.path as string), { bigint: true, throwIfNoEntry: false });
  if (stat && sameStamp(stat, { ...row, ctime_ns: stat.ctimeNs })) blobs.restamp(store.db, row.seq, stampOf(stat));
}

/** What an earlier try brought to the server, with its size; nothing where the server cannot say: what it refuses, it says again of the files. */
async function filesThere(one: Delivering, open: readonly OpenPiece[]): Promise<Map<string, number>> {
  try {
    return await listThere(one, directoriesOf(open.flatMap(({ piece }) => piece.files)));
  } catch (error) {
    if (error instanceof ServerRefusal) return new Map();
    throw error;
  }
}

/**
 * Where a script logs to the run as well, a file of the right size need not be ours: its bytes tell. Others give way, as they do when MLflow's own client
 * logs a second file to a path, and that is said. Returns the paths that need nothing.
 */
async function ownAmongOthers(one: Delivering, work: readonly RemoteFile[], there: ReadonlyMap<string, number>): Promise<Set<string>> {
  const known = work.filter((file) => there.has(file.path));
  const alike = known.filter((file) => there.get(file.path) === file.size);
  let own: Set<string> | undefined;
  try {
    own = await filesWithOwnBytes(one, alike);
  } catch (error) {
    // a server that cannot read its own storage: all of it is sent
    if (!(error instanceof ServerRefusal)) throw error;
  }
  const others = known.filter((file) => (own ? !own.has(file.path) : !alike.includes(file))).map((file) => file.path);
  const named = others.toSorted().slice(0, 3).join(", ");
  if (others.length > 0)
    tell(one, {
      kind: "replaced",
      message: `${others.length === 1 ? "a file" : `${others.length} files`} that the server had already with other bytes made room for the run's own: ${named}${others.length > 3 ? " and more" : ""}`,
    });
  return own ?? new Set();
}

/** What a file has on its way at once: all of it, unless it goes in parts. */
async function weigher({ sync }: Delivering, { ways }: Route, work: readonly RemoteFile[]): Promise<(file: RemoteFile) => number> {
  const largest = work.reduce((most, file) => Math.max(most, file.size), 0);
  const first = ways.find((way) => way.kind === "parts" || way.kind === "s3");
  const inParts = first && largest >= sync.routes.uploads.partsFrom && (await whyNot(sync, first, largest)) === undefined;
  return ({ size }) => (inParts && size >= sync.routes.uploads.partsFrom ? partsWeight(sync, size) : size);
}

function watchProgress({ tally, run }: Delivering, work: readonly RemoteFile[]) {
  const of = { files: work.length, bytes: work.reduce((sum, file) => sum + file.size, 0) };
  const flying = new Map<RemoteFile, number>();
  let files = 0;
  let bytes = 0;
  const tell = (): void => {
    const inFlight = [...flying.values()].reduce((sum, sent) => sum + sent, 0);
    tally.progress?.({
      run: run.id,
      points: { done: 0, of: 0 },
      files: { done: files, of: of.files },
      bytes: { done: bytes + inFlight, of: of.bytes },
    });
  };
  tell();
  return {
    moved: (file: RemoteFile) => (sent: number) => {
      flying.set(file, sent);
      tell();
    },
    done(file: RemoteFile, how: string): void {
      flying.delete(file);
      files++;
      bytes += file.size;
      tally.how[how] = (tally.how[how] ?? 0) + 1;
      if (how !== "there") {
        tally.files++;
        tally.bytes += file.size;
      }
      tell();
    },
  };
}
