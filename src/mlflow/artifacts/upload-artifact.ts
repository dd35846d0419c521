import type { Connection } from "../http/connection.ts";
import type { Destination } from "./destination.ts";
import { exchange } from "../http/request.ts";
import { takesFiles } from "../http/send.ts";
import { retry } from "../http/retry.ts";
import { openBody } from "./upload-body.ts";
import type { UploadSource } from "./upload-source.ts";

/**
 * Sends a file through the server with PUT, under a path that `remoteName` gave. A repeated PUT replaces the one before. How many go at
 * once is the caller's; what a server did store is seen by `listArtifacts`, since its answer says nothing.
 * `sent` is told the bytes handed to the network in the present try.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED, CORRUPT
 */
export function uploadArtifact(
  connection: Connection,
  destination: Pick<Destination & { kind: "proxied" }, "url">,
  path: string,
  source: UploadSource,
  sent?: (bytes: number) => void,
): Promise<void> {
  const address = `${destination.url}/${path.split("/").map(encodeURIComponent).join("/")}`;
  // a line too slow for a file that nobody sees moving gets the next try in pieces
  return retry(connection, `PUT ${path}`, (repetition) =>
    put(connection, address, source, { sent, asFile: repetition === 0 && takesFiles(connection, address) }),
  );
}

async function put(
  connection: Connection,
  address: string,
  source: UploadSource,
  { sent, asFile }: { sent: ((bytes: number) => void) | undefined; asFile: boolean },
): Promise<void> {
  using body = openBody(source);
  try {
    await exchange(
      connection,
      {
        method: "PUT",
        path: address,
        // without a length the body goes out in chunks, and many servers store an empty file and say 200
        headers: { "content-length": String(body.size), "content-type": "application/octet-stream" },
        body: (touch) =>
          body.take((bytes) => {
            touch();
            sent?.(bytes);
          }, asFile),
        keepalive: true,
        onArtifacts: true,
      },
      async (response) => {
        sent?.(body.size);
        // servers before 3.15 send a body, 44 ms after the head where a connection was used before: nobody waits for it, and that connection is given up
        if (response.headers.get("content-length") !== "0") await response.body?.cancel();
      },
    );
  } catch (error) {
    throw body.blame(error);
  }
}
