/**
 * Requests to an object store: to addresses that the tracking server signed, or to S3 with keys of our own. Neither MLflow's credentials nor its
 * certificates go there, and no message shows an address's query, which may hold a signature.
 */
import { errno } from "../../domain/error.ts";
import { readText } from "../http/answer.ts";
import type { Connection } from "../http/connection.ts";
import { onNetwork, watchProgress } from "../http/network.ts";
import { ServerRefusal, TRANSIENT_STATUS } from "../http/refusal.ts";
import { parseRetryAfter } from "../http/retry-settings.ts";
import { retry, Transient } from "../http/retry.ts";
import { httpAddress, send } from "../http/send.ts";
import type { HttpAddress } from "../http/send.ts";
import type { UploadBody } from "./upload-body.ts";

export interface StoreRequest {
  method: "GET" | "PUT" | "POST" | "DELETE";
  /** Whole; a secret where it is signed. */
  url: string;
  headers: Readonly<Record<string, string>>;
  body?: string;
}

export interface StoreAnswer {
  /** Empty where the storage gives none (Azure's blocks). */
  etag: string;
  text: string;
}

/** The object stores of one call of `deliver`. */
export interface ObjectStores {
  readonly tls: (() => { rejectUnauthorized?: boolean; ca?: string }) | undefined;
  /** Origins that have answered something. */
  readonly reached: Set<string>;
}

/** Nobody answers at the storage's address, as seen from here; another way may lead there. */
export class StoreUnreachable extends Error {
  override readonly name = "StoreUnreachable";
}

const MAX_ANSWER = 16 * 1024 * 1024;
/** S3 puts the parts of a large file together for minutes, and sends a blank now and then meanwhile. */
const PATIENCE = 5;
const TRANSIENT_CODES = new Set(["RequestTimeout", "SlowDown", "OperationAborted", "InternalError", "ServerBusy"]);

/**
 * Sends a request, repeated by the retry policy; `make` makes it anew for each try (a signature ages), `open` its body, where that is a file's.
 * `what` is for messages: `PUT part 3 of model.bin`.
 * @throws StoreUnreachable if the first contact fails; CofferError SERVER_UNREACHABLE, SERVER_REFUSED (`errorCode`: the storage's word); what `open` throws
 */
export function askStore(
  connection: Connection,
  stores: ObjectStores,
  what: string,
  make: (repetition: number) => StoreRequest | Promise<StoreRequest>,
  file?: { open: () => UploadBody; sent?: ((bytes: number) => void) | undefined },
): Promise<StoreAnswer> {
  return retry(connection, what, async (repetition) => {
    const request = await make(repetition);
    const address = httpAddress(connection, request.url);
    const { origin } = new URL(address);
    const there: Connection = { ...connection, displayUri: origin, headers: () => ({}), tls: stores.tls };
    using body = file?.open();
    try {
      const answer = await askOnce(there, what, { ...request, address }, body, file?.sent);
      stores.reached.add(origin);
      return answer;
    } catch (error) {
      const fault = body?.blame(error) ?? error;
      const answered = (fault instanceof Transient || fault instanceof ServerRefusal) && (fault.status ?? 0) > 0;
      if (answered) stores.reached.add(origin);
      else if (!stores.reached.has(origin) && !connection.signal?.aborted && isNoContact(fault, repetition))
        throw new StoreUnreachable(`${origin} cannot be reached from here: ${(fault as Error).message}`, { cause: fault });
      throw fault;
    }
  });
}

async function askOnce(
  connection: Connection,
  what: string,
  request: StoreRequest & { address: HttpAddress },
  file: UploadBody | undefined,
  sent?: (bytes: number) => void,
): Promise<StoreAnswer> {
  const watch = watchProgress(connection.timeout);
  const signal = connection.signal ? AbortSignal.any([connection.signal, watch.signal]) : watch.signal;
  const progress = (bytes: number): void => {
    watch.touch();
    sent?.(bytes);
  };
  const body = file ? file.take(progress) : request.body;
  const length = file ? file.size : request.body === undefined ? undefined : Buffer.byteLength(request.body);
  try {
    const response = await onStorage(
      connection,
      send(connection, request.address, {
        method: request.method,
        headers: { ...request.headers, ...(length !== undefined && { "content-length": String(length) }) },
        body,
        tls: connection.tls?.(),
        signal,
      }),
    );
    watch.touch();
    const text = await onStorage(connection, readText(connection, response, MAX_ANSWER, watch.touch, PATIENCE));
    // S3 says 200 first, and then, after a while, that it could not put the parts together
    if (response.status < 200 || response.status > 299 || /<Error>/.test(text.slice(0, 500)))
      throw failureOf(connection, what, response, withoutSecrets(text, request));
    return { etag: response.headers.get("etag") ?? "", text };
  } finally {
    watch.stop();
  }
}

/** A storage's failures in its own words: what helps against MLflow's does not help here. */
async function onStorage<T>(connection: Connection, promise: Promise<T>): Promise<T> {
  try {
    return await onNetwork(connection, promise);
  } catch (error) {
    if (error instanceof Transient && !connection.signal?.aborted)
      throw new Transient(error.message, {
        hint: "is the artifact storage up, and to be reached from here?",
        cause: error.cause,
      });
    if (error instanceof ServerRefusal)
      throw new ServerRefusal(error.message, {
        hint: "give the storage's certificate authority with AWS_CA_BUNDLE (or, for a trial, MLFLOW_S3_IGNORE_TLS=true)",
        cause: error.cause,
      });
    throw error;
  }
}

/** No host, nobody at the port, a certificate that nobody vouches for, silence; a connection that broke was one. Once is an accident. */
function isNoContact(error: unknown, repetition: number): boolean {
  if (error instanceof ServerRefusal) return error.status === 0;
  if (!(error instanceof Transient)) return false;
  const silence = error.cause instanceof DOMException;
  return silence || (errno(error.cause) !== "ECONNRESET" && repetition > 0);
}

/** A storage that says back what it was asked must not be quoted with a signature or a key. */
function withoutSecrets(text: string, { url, headers }: StoreRequest): string {
  const signed = [
    ...new URL(url).searchParams.values(),
    ...(headers["authorization"] ?? "").split(/[ ,=]+/),
    headers["x-amz-security-token"] ?? "",
  ];
  const secrets = signed.flatMap((value) => [value, encodeURIComponent(value)]).filter((value) => value.length >= 16);
  return secrets.reduce((clean, secret) => clean.replaceAll(secret, "***"), text);
}

function failureOf(connection: Connection, what: string, response: Response, text: string): Error {
  const { status } = response;
  const failed = status < 200 || status > 299;
  const code = textOf(text, "Code");
  const words = textOf(text, "Message")?.replace(/\s+/g, " ").slice(0, 300);
  const message = `${failed ? `${status} ` : ""}${code ?? ""}${words ? `: ${words}` : ""}`.trim();
  const hint = hintFor(status, code, response.headers.get("x-amz-bucket-region"));
  if ((failed && TRANSIENT_STATUS.has(status)) || TRANSIENT_CODES.has(code ?? "")) {
    const retryAfter = connection.retry.respectRetryAfter ? parseRetryAfter(response.headers.get("retry-after"), Date.now()) : undefined;
    return new Transient(message, { hint, status: failed ? status : 500, retryAfter });
  }
  return new ServerRefusal(`${connection.displayUri}: ${what}: ${message}`, { status: failed ? status : 500, errorCode: code, hint });
}

function hintFor(status: number, code: string | undefined, region: string | null): string {
  if (region !== null && (status === 301 || status === 400)) return `the bucket is in ${region}: set AWS_DEFAULT_REGION=${region}`;
  if (code === "RequestTimeTooSkewed") return "the clock of this machine is wrong";
  if (code === "NoSuchBucket") return "the bucket is not there: is MLFLOW_S3_ENDPOINT_URL the storage that the server means?";
  if (status === 401 || status === 403)
    return "the storage does not let these keys write there: look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the bucket's policy";
  if (status >= 300 && status < 400) return "the storage sends us on: set MLFLOW_S3_ENDPOINT_URL and AWS_DEFAULT_REGION to where it is";
  if (status >= 500) return "look into the storage's log, then try again";
  return "the storage's words say what it does not take";
}

/** What an XML element of this name holds. S3's answers are flat, and nothing of them is trusted further than a message or an id. */
export function textOf(xml: string, name: string): string | undefined {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return found === undefined ? undefined : unescapeXml(found);
}

/** All elements of this name. */
export function elementsOf(xml: string, name: string): string[] {
  const [begin, end] = [`<${name}>`, `</${name}>`];
  const found: string[] = [];
  for (let at = xml.indexOf(begin); at !== -1; at = xml.indexOf(begin, at)) {
    const from = at + begin.length;
    const to = xml.indexOf(end, from);
    // one without an end is the last
    if (to === -1) break;
    found.push(xml.slice(from, to));
    at = to + end.length;
  }
  return found;
}

function unescapeXml(text: string): string {
  const signs: Record<string, string> = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&" };
  return text
    .replace(/&#(?:x([0-9a-f]{1,6})|([0-9]{1,7}));/gi, (whole, hex?: string, digits?: string) => {
      const code = hex === undefined ? Number(digits) : Number.parseInt(hex, 16);
      // half of a pair is no character
      return code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? whole : String.fromCodePoint(code);
    })
    .replace(/&(?:lt|gt|quot|apos|amp);/g, (sign) => signs[sign] as string);
}
