import { closeSync } from "node:fs";
import type { Connection } from "./connection.ts";
import type { Destination } from "./destination.ts";
import { exchange } from "./request.ts";
import { retry, Transient } from "./retry.ts";
import { readSource } from "./upload-source.ts";
import type { UploadSource } from "./upload-source.ts";

/** Bytes; also the size up to which a file is sent as one piece. */
const CHUNK = 256 * 1024;

/**
 * Sends a file through the server with PUT, under a path that `remoteName` gave. A repeated PUT replaces the one before. How many go at
 * once is the caller's; what a server did store is seen by `listArtifacts`, since its answer says nothing.
 * `sent` is told the bytes handed to the network in the present try.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED, CORRUPT
 */
export function uploadArtifact(
  connection: Connection,
  destination: Destination & { kind: "proxied" },
  path: string,
  source: UploadSource,
  sent?: (bytes: number) => void,
): Promise<void> {
  const address = `${destination.url}/${path.split("/").map(encodeURIComponent).join("/")}`;
  return retry(connection, `PUT ${path}`, () => put(connection, address, source, sent));
}

async function put(connection: Connection, address: string, source: UploadSource, sent?: (bytes: number) => void): Promise<void> {
  const { fd, offset } = source.open();
  const fault: Fault = {};
  try {
    await exchange(
      connection,
      {
        method: "PUT",
        path: address,
        // without a length the body goes out in chunks, and many servers store an empty file and say 200
        headers: { "content-length": String(source.size), "content-type": "application/octet-stream" },
        body: (touch) => {
          const progress = (bytes: number): void => {
            touch();
            sent?.(bytes);
          };
          return source.size <= CHUNK ? whole(fd, offset, source.size, progress) : stream(fd, offset, source.size, progress, fault);
        },
        keepalive: true,
        onArtifacts: true,
      },
      async (response) => {
        await response.body?.cancel();
      },
    );
  } catch (error) {
    // our own side failed: the network's complaint about a body that broke off is only its echo
    if (error instanceof Transient && fault.error !== undefined) throw fault.error;
    throw error;
  } finally {
    // fetch may settle early (a 413) with its hands still on the stream
    fault.closed = true;
    closeSync(fd);
  }
}

interface Fault {
  error?: unknown;
  closed?: boolean;
}

function whole(fd: number, offset: number, size: number, progress: (bytes: number) => void): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  readSource(fd, bytes, offset);
  progress(size);
  return bytes;
}

/** A stream that reads only when the network asks for more, so that progress is real and memory stays small. */
function stream(
  fd: number,
  offset: number,
  size: number,
  progress: (bytes: number) => void,
  fault: Fault,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let position = 0;
  return new ReadableStream(
    {
      type: "bytes",
      pull(controller) {
        if (position >= size || fault.closed) return controller.close();
        const chunk = new Uint8Array(Math.min(CHUNK, size - position));
        try {
          readSource(fd, chunk, offset + position);
        } catch (error) {
          fault.error = error;
          return controller.error(error);
        }
        position += chunk.length;
        progress(position);
        controller.enqueue(chunk);
      },
    },
    { highWaterMark: 0 },
  );
}
