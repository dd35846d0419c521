import * as v from "valibot";
import { readText } from "../http/answer.ts";
import type { Connection } from "../http/connection.ts";
import { ServerRefusal } from "../http/refusal.ts";
import { ExperimentId } from "./remote-id.ts";
import { call, exchange, REST } from "../http/request.ts";
import { retry } from "../http/retry.ts";

export interface ServerInfo extends Capabilities {
  /** Such as `3.17.2`; undefined for a server that does not say. */
  version: string | undefined;
}

export interface Capabilities {
  multipartUploads: boolean;
  multipartDownloads: boolean;
  presignedUploads: boolean;
  workspaces: boolean;
}

const flag = v.optional(v.boolean(), false);
const InfoAnswer = v.object({
  multipart_uploads_enabled: flag,
  multipart_downloads_enabled: flag,
  presigned_upload_run_id_supported: flag,
  workspaces_enabled: flag,
});

/**
 * What the server is and can do. It makes a real call first: `/health` and `/version` answer also where every other call would be refused
 * (they skip the Host check and the login).
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED
 */
export async function probeServer(connection: Connection): Promise<ServerInfo> {
  await askServer(connection);
  return { ...(await readCapabilities(connection)), version: await readVersion(connection) };
}

/** A call that reads one experiment, and meets all that any call meets. Returns its id; undefined where the server has none. @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED */
export async function askServer(connection: Connection): Promise<string | undefined> {
  const { experiments } = await call(
    connection,
    "GET",
    `${REST}/experiments/search`,
    { max_results: 1 },
    v.object({ experiments: v.optional(v.array(v.object({ experiment_id: ExperimentId })), []) }),
  );
  return experiments[0]?.experiment_id;
}

/** What the server says it can do; an older one does not say, and can do none of it. @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED */
export async function readCapabilities(connection: Connection): Promise<Capabilities> {
  const info = await orUndefined(call(connection, "GET", "/api/3.0/mlflow/server-info", {}, InfoAnswer));
  return {
    multipartUploads: info?.multipart_uploads_enabled ?? false,
    multipartDownloads: info?.multipart_downloads_enabled ?? false,
    presignedUploads: info?.presigned_upload_run_id_supported ?? false,
    workspaces: info?.workspaces_enabled ?? false,
  };
}

/**
 * Such as `3.17.2`; undefined where the answer is none. The route asks nobody who they are, nor by which name the server is called.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED
 */
export function readVersion(connection: Connection): Promise<string | undefined> {
  const read = retry(connection, "GET version", () =>
    exchange(connection, { method: "GET", path: "/version", keepalive: false }, async (response, touch) => {
      const text = (await readText(connection, response, 1000, touch)).trim();
      return /^[0-9A-Za-z.+-]{1,40}$/.test(text) ? text : undefined;
    }),
  );
  return orUndefined(read);
}

/** Older servers do not have the route. */
async function orUndefined<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof ServerRefusal && error.status === 404) return undefined;
    throw error;
  }
}
