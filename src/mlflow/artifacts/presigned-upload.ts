import * as v from "valibot";
import type { Connection } from "../http/connection.ts";
import { askStore } from "./object-store.ts";
import type { ObjectStores } from "./object-store.ts";
import { callOnce, nameOf, REST } from "../http/request.ts";
import { signedRequest } from "./signed-request.ts";
import { callStorageRoute, refusedByStorage } from "./storage-route.ts";
import { openBody } from "./upload-body.ts";
import type { UploadSource } from "./upload-source.ts";

const ROUTE = `${REST}/artifacts/presigned-upload-url`;

const Answer = v.object({ presigned_url: v.string(), headers: v.optional(v.record(v.string(), v.string()), {}) });

/**
 * Asks whether the server signs addresses for a run's storage; nothing is sent there.
 * @throws CofferError SERVER_REFUSED where it does not: 404 an older server, 501 another storage, 500 one that it has no access to
 */
export async function probePresigned(connection: Connection, runId: string): Promise<void> {
  await callStorageRoute(connection, "POST", ROUTE, { run_id: runId, path: "coffer-probe" }, Answer);
}

/**
 * Sends a file, of 5 GiB at most, to an address that the server signs: anew for each try, since it lives for a quarter of an hour.
 * @throws what `askStore` throws, CORRUPT
 */
export async function uploadPresigned(
  connection: Connection,
  stores: ObjectStores,
  runId: string,
  path: string,
  source: UploadSource,
  sent?: (bytes: number) => void,
): Promise<void> {
  await askStore(
    connection,
    stores,
    `PUT ${path}`,
    async (repetition) => {
      const ask = () => callOnce(connection, "POST", ROUTE, { run_id: runId, path }, Answer);
      const { presigned_url, headers } = await refusedByStorage(connection, nameOf("POST", ROUTE), repetition, ask);
      return signedRequest(presigned_url, headers);
    },
    { open: () => openBody(source), sent },
  );
}
