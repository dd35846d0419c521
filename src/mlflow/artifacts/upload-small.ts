import type { Connection } from "../http/connection.ts";
import { exchange } from "../http/request.ts";
import { retry } from "../http/retry.ts";
import { refusedByStorage } from "./storage-route.ts";
import { openBody } from "./upload-body.ts";
import type { UploadSource } from "./upload-source.ts";

/** Bytes that the server takes on this route, from 1. */
export const SMALL = 10 * 1024 * 1024;

const ROUTE = "/ajax-api/2.0/mlflow/upload-artifact";

/**
 * Sends a file of 1 byte to 10 MiB by the route of MLflow's own pages: the server writes it with its own access, whatever its storage is.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED, CORRUPT
 */
export function uploadSmall(
  connection: Connection,
  runId: string,
  path: string,
  source: UploadSource,
  sent?: (bytes: number) => void,
): Promise<void> {
  const what = `POST ${path}`;
  return retry(connection, what, (repetition) =>
    refusedByStorage(connection, what, repetition, async () => {
      using body = openBody(source);
      try {
        await exchange(
          connection,
          {
            method: "POST",
            path: ROUTE,
            query: { run_uuid: runId, path },
            headers: { "content-length": String(body.size), "content-type": "application/octet-stream" },
            body: (touch) =>
              body.take((bytes) => {
                touch();
                sent?.(bytes);
              }),
            keepalive: false,
            onArtifacts: true,
          },
          async (response) => {
            await response.body?.cancel();
          },
        );
      } catch (error) {
        throw body.blame(error);
      }
    }),
  );
}
