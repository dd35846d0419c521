import * as v from "valibot";
import type { Connection } from "./connection.ts";
import { onNetwork } from "./network.ts";
import { ServerRefusal } from "./refusal.ts";
import { Transient } from "./retry.ts";

/** Time limits of a request that its answer may take from its head to its end. */
const LONGEST_ANSWER = 4;

/**
 * The whole text of an answer, `limit` bytes at most: nobody who answers on that port can fill our memory. Nor can anybody keep us there with a byte now and then:
 * what is not whole within a few time limits of a request (`patience` times as many, for who is known to take long) is given up.
 * @throws Transient, CofferError SERVER_REFUSED
 */
export async function readText(
  connection: Connection,
  response: Response,
  limit: number,
  touch: () => void,
  patience = 1,
): Promise<string> {
  if (!response.body) return "";
  const longest = LONGEST_ANSWER * patience * connection.timeout;
  const end = performance.now() + longest;
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  for (let size = 0; ;) {
    const { done, value } = await onNetwork(connection, reader.read());
    if (done) return Buffer.concat(chunks).toString("utf8");
    touch();
    if (performance.now() > end) {
      await reader.cancel();
      throw new Transient(`an answer that did not end within ${longest / 1000} s`, {
        hint: "look into the log of the server, and of the proxy before it; MLFLOW_HTTP_REQUEST_TIMEOUT sets the limit",
        status: response.ok ? undefined : response.status,
      });
    }
    size += value.byteLength;
    if (size > limit) {
      await reader.cancel();
      if (!response.ok) return Buffer.concat(chunks).toString("utf8");
      throw new ServerRefusal(`${connection.displayUri}: an answer is larger than ${limit} bytes`, {
        hint: "check host, port and path prefix of MLFLOW_TRACKING_URI",
      });
    }
    chunks.push(value);
  }
}

/**
 * What an answer says, once its shape was checked. MLflow answers every call with an object: one that is empty, or ends in the middle, was cut on its way, and
 * a proxy that closes the connection instead of giving a length cuts it without an error.
 * @throws Transient for such an answer; CofferError SERVER_REFUSED for one that is not MLflow's
 */
export function parseAnswer<T>(connection: Connection, what: string, text: string, schema: v.GenericSchema<unknown, T>): T {
  let json: unknown;
  let fault: string;
  try {
    json = JSON.parse(text);
    const parsed = v.safeParse(schema, json);
    if (parsed.success) return parsed.output;
    const issue = parsed.issues[0];
    // it quotes what stood there
    fault = `${v.getDotPath(issue) ?? "the answer"}: ${issue.message}`.slice(0, 300);
  } catch {
    if (text === "" || text.startsWith("{"))
      throw new Transient(text === "" ? "an empty answer" : "an answer that was cut", {
        hint: "look into the log of the server, and of the proxy before it, then try again",
      });
    fault = "it is not JSON";
  }
  throw new ServerRefusal(`${connection.displayUri}: ${what}: the answer is not MLflow's (${fault})`, {
    hint: "check host, port and path prefix of MLFLOW_TRACKING_URI",
  });
}
