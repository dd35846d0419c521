import { closeSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Blake3 } from "../../blobs/blake3.ts";
import { writeWhole } from "../../blobs/durable.ts";
import { deliveredAt } from "../../db/delivery/delivered.ts";
import type { DeliveredAt } from "../../db/delivery/delivered.ts";
import { CofferError } from "../../domain/error.ts";
import { trackingTarget } from "../../domain/tracking-target.ts";
import { connect } from "../../mlflow/http/connection.ts";
import type { Connection } from "../../mlflow/http/connection.ts";
import { destinationOf, directoryOn } from "../../mlflow/artifacts/destination.ts";
import { listArtifacts } from "../../mlflow/artifacts/list-artifacts.ts";
import { downloadArtifact } from "../../mlflow/artifacts/download-artifact.ts";
import type { Environment } from "../../mlflow/http/environment.ts";
import { remoteName } from "../../mlflow/artifacts/remote-name.ts";
import { bringFile, bringReceived } from "../../store/damage/bring-copy.ts";
import { listAnew } from "../../store/damage/list-anew.ts";
import type { Copy, Elsewhere } from "../../store/damage/copies.ts";
import { pathInRun } from "../../store/damage/lost.ts";
import type { Lost, Use } from "../../store/damage/lost.ts";
import type { Store } from "../../store/store.ts";

/** One that says nothing for so long is away. Milliseconds. */
const SILENCE_MS = 15_000;

/**
 * Copies of files that were delivered to the configured MLflow server: on its disk, where that is seen from here, else read through the server. A server that
 * cannot be reached is said once, and not asked again. undefined where none is configured.
 * @throws CofferError CONFIG_INVALID
 */
export function serverCopies(store: Store, { env, signal }: { env: Environment; signal: AbortSignal }): Elsewhere | undefined {
  const { uri } = store.settings.values.tracking.mlflow;
  if (uri === "") return undefined;
  const connected = connect({ uri, env, signal });
  // somebody waits, and a server that is away is no loss: the other copies were asked before it
  const connection = {
    ...connected,
    timeout: SILENCE_MS,
    retry: { ...connected.retry, times: Math.min(connected.retry.times, 2), factor: 0.5 },
  };
  const target = trackingTarget(uri);
  let isAway = false;
  const asked = async (work: () => Promise<boolean>): Promise<boolean> => {
    if (isAway) return false;
    try {
      return await work();
    } catch (error) {
      // whoever interrupts it asks for no more copies
      if (signal.aborted) return false;
      if (!(error instanceof CofferError)) throw error;
      isAway = error.code === "SERVER_UNREACHABLE";
      store.say(isAway ? `no copies are looked for on the server: ${error.message}` : error.message);
      return false;
    }
  };
  return async function* (lost, blake3) {
    for (const use of lost.uses)
      for (const delivery of deliveredAt(store.db, use.artifact))
        if (delivery.target === target) yield* lost.isList ? listsAt(delivery, use, lost, blake3) : copiesAt(delivery, use, lost, blake3);
  };

  /** MLflow knows no lists of directories: one is made anew of the files that it has. */
  function* listsAt(delivery: DeliveredAt, use: Use, lost: Lost, blake3: Blake3): Generator<Copy> {
    if (use.kind !== "tree" || use.tree !== null) return;
    const { path } = remoteName(use.path);
    const anew = (directory: string, to: string): Promise<boolean> => listAnew(directory, to, lost, () => true, blake3);
    const onDisk = placeOnDisk(store, connection, delivery.artifact_uri, path, "directory");
    if (onDisk !== undefined) yield { from: "mlflow", path: onDisk, bring: (to) => anew(onDisk, to) };
    yield {
      from: "mlflow",
      path: `${connection.displayUri}, run ${delivery.remote_run}, ${path}/`,
      bring: (to) =>
        asked(async () => {
          using beside = { directory: `${to}.d`, [Symbol.dispose]: () => rmSync(`${to}.d`, { recursive: true, force: true }) };
          const isOurs = (inner: string): boolean => inner === path || inner.startsWith(`${path}/`);
          const files = await listArtifacts(connection, delivery.remote_run, (inner) => isOurs(inner) || path.startsWith(`${inner}/`));
          for (const [file, size] of files) {
            if (!isOurs(file)) continue;
            const received = join(beside.directory, file.slice(path.length + 1));
            mkdirSync(dirname(received), { recursive: true, mode: 0o755 });
            await download(connection, delivery, file, { to: received, size });
          }
          // the files stay until they are read
          return await anew(beside.directory, to);
        }),
    };
  }

  function* copiesAt(delivery: DeliveredAt, use: Use, lost: Lost, blake3: Blake3): Generator<Copy> {
    const inRun = pathInRun(use);
    if (inRun === undefined) return;
    const { path } = remoteName(inRun);
    const onDisk = placeOnDisk(store, connection, delivery.artifact_uri, path);
    if (onDisk !== undefined) yield { from: "mlflow", path: onDisk, bring: (to) => bringFile(onDisk, to, lost, blake3) };
    yield {
      from: "mlflow",
      path: `${connection.displayUri}, run ${delivery.remote_run}, ${path}`,
      bring: (to) =>
        bringReceived(to, lost, blake3, (received) => asked(() => download(connection, delivery, path, { to: received, size: lost.size }))),
    };
  }
}

/** Where the server's own disk has a file or directory, if that disk is seen from here. Nobody has to prove that it is the same disk: the bytes do. */
function placeOnDisk(
  store: Store,
  connection: Connection,
  artifactUri: string,
  path: string,
  kind: "file" | "directory" = "file",
): string | undefined {
  try {
    const destination = destinationOf(connection, artifactUri);
    if (destination.kind !== "local" && destination.kind !== "proxied") return undefined;
    const file = join(directoryOn(store.settings.roots.mlflow, destination), path);
    const stat = statSync(file, { throwIfNoEntry: false });
    return (kind === "file" ? stat?.isFile() : stat?.isDirectory()) ? file : undefined;
  } catch {
    // it is on a host or a storage that coffer does not write to: the server may hand it out all the same
    return undefined;
  }
}

async function download(
  connection: Connection,
  { remote_run, artifact_uri }: DeliveredAt,
  path: string,
  { to, size }: { to: string; size: number },
): Promise<boolean> {
  const destination = destinationOf(connection, artifact_uri);
  let fd: number | undefined;
  let left = size;
  const start = (): void => {
    if (fd !== undefined) closeSync(fd);
    fd = openSync(to, "w", 0o600);
    left = size;
  };
  const take = (chunk: Uint8Array): void => {
    left -= chunk.length;
    if (left < 0) throw new CofferError("CORRUPT", `the server has more than the ${size} bytes of ${path}`, { hint: "these are others" });
    writeWhole(fd as number, chunk);
  };
  try {
    const sink = { start, take };
    await downloadArtifact(connection, remote_run, path, sink, destination.kind === "proxied" ? destination : undefined);
    return true;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
