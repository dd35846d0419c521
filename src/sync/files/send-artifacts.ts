import type { BlobRow } from "../../db/bytes/blobs.ts";
import * as outbox from "../../db/delivery/outbox.ts";
import { CofferError } from "../../domain/error.ts";
import { syncPoint } from "../../domain/sync-point.ts";
import { ServerRefusal } from "../../mlflow/http/refusal.ts";
import type { Arrival } from "./arrival.ts";
import { chooseRoute } from "./choose-route.ts";
import type { Route } from "./choose-route.ts";
import { directoriesOf } from "./lay-out.ts";
import type { Layout, Piece, RemoteFile } from "./lay-out.ts";
import { listThere } from "../record/list-there.ts";
import { dropLeftovers } from "./place-shared.ts";
import { restamp } from "../record/restamp.ts";
import { sendFiles } from "./send-files.ts";
import { dropIdleParts } from "./send-parts.ts";
import { endsAll, inWords } from "../sync.ts";
import type { Delivering } from "../sync.ts";
import { tell } from "../tell.ts";
import { filesToSend, planUploads } from "./upload-plan.ts";
import { UploadProgress } from "./upload-progress.ts";
import { filesWithOwnBytes } from "./verify-bytes.ts";

/**
 * Sends the files of all open artifact entries, the largest first, and settles each entry when its last file is there. A file that cannot be
 * sent fails its entry; the others go on. Returns the first such error.
 * @throws CofferError SERVER_UNREACHABLE, once the uploads that were under way have ended
 */
export async function sendArtifacts(
  one: Delivering,
  layout: Layout,
  options: { alongside: boolean; again: boolean },
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
    route = await chooseRoute(sync, remote, options.alongside);
  } catch (error) {
    for (const { piece } of open) fail(piece.entry.seq, error);
    return failure;
  }
  const pieces = open.map(({ piece }) => piece);
  const sizes = options.again || options.alongside ? await filesThere(one, pieces) : new Map<string, number>();
  const [first] = route.ways;
  if (first?.kind === "disk" && !options.alongside) dropLeftovers(first.directory, sizes.keys());
  const own = options.alongside ? await ownAmongOthers(one, filesToSend(pieces), sizes) : undefined;
  const { work, there, owners } = planUploads(pieces, sizes, own);
  await dropIdleParts(one, route, new Set(work.map(({ path }) => path)).difference(there));
  const settle = (piece: OpenPiece): void => {
    if (piece.waiting > 0 || piece.failed) return;
    settlePiece(one, piece);
  };
  // a directory without files has nothing to wait for
  for (const piece of open) settle(piece);
  const opened = new Map(open.map((piece) => [piece.piece, piece]));
  const openOf = ({ path }: RemoteFile): OpenPiece[] => (owners.get(path) ?? []).map((piece) => opened.get(piece) as OpenPiece);
  await sendFiles(one, route, work, {
    progress: new UploadProgress(one, work),
    isThere: ({ path }) => there.has(path),
    arrived(file, { how, linked }) {
      count(one, file, how);
      for (const piece of openOf(file)) {
        piece.sent(how, linked);
        settle(piece);
      }
    },
    failed(file, error) {
      for (const piece of openOf(file)) {
        piece.failed = true;
        fail(piece.piece.entry.seq, error);
      }
    },
  });
  return failure;
}

function count({ tally }: Delivering, { size }: RemoteFile, how: Arrival): void {
  tally.how[how] = (tally.how[how] ?? 0) + 1;
  if (how === "there") return;
  tally.files++;
  tally.bytes += size;
}

/** An artifact whose files are under way. */
class OpenPiece {
  readonly piece: Piece;
  waiting: number;
  failed = false;
  readonly ways = new Set<Arrival>();
  readonly linked: BlobRow[] = [];

  constructor(piece: Piece) {
    this.piece = piece;
    this.waiting = new Set(piece.files.map((file) => file.path)).size;
  }

  sent(how: Arrival, linked: BlobRow | undefined): void {
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
  syncPoint("sync.files-settled");
}

/** What an earlier try brought to the server, with its size; nothing where the server cannot say: what it refuses, it says again of the files. */
async function filesThere(one: Delivering, pieces: readonly Piece[]): Promise<Map<string, number>> {
  try {
    return await listThere(one, directoriesOf(pieces.flatMap(({ files }) => files)));
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
