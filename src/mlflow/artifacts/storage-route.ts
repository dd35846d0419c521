import type * as v from "valibot";
import type { Connection } from "../http/connection.ts";
import { ServerRefusal } from "../http/refusal.ts";
import { callOnce, nameOf } from "../http/request.ts";
import { retry, Transient } from "../http/retry.ts";

/** A 500 that comes again is no accident of the server's. */
const TRIES = 3;

/**
 * A JSON call to a route that makes the server speak to its storage. What the storage refuses there, for good, the server says as a bare 500: a few of them
 * count as a refusal, so that another way can be taken. Anything else that may pass is repeated as always.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED
 */
export function callStorageRoute<T>(
  connection: Connection,
  method: "GET" | "POST",
  path: string,
  values: Record<string, unknown>,
  schema: v.GenericSchema<unknown, T>,
): Promise<T> {
  const what = nameOf(method, path);
  return retry(connection, what, (repetition) =>
    refusedByStorage(connection, what, repetition, () => callOnce(connection, method, path, values, schema)),
  );
}

/** One try of such a request. @throws Transient, CofferError SERVER_REFUSED, what `attempt` throws */
export async function refusedByStorage<T>(connection: Connection, what: string, repetition: number, attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    const tries = Math.min(TRIES, connection.retry.times + 1);
    if (!(error instanceof Transient) || error.status !== 500 || repetition + 1 < tries) throw error;
    throw new ServerRefusal(`${connection.displayUri}: ${what}: ${error.message}`, {
      status: 500,
      hint: "the server's log says what its artifact storage refused: often a missing library (boto3) or credentials",
      cause: error,
    });
  }
}
