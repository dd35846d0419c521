import * as v from "valibot";
import { CofferError } from "../../domain/error.ts";

/** The server understood and said no: the same request would be refused again. */
export class ServerRefusal extends CofferError {
  /** The HTTP status; 0 where the request was not sent, or the answer was not MLflow's. */
  readonly status: number;
  /** MLflow's word, such as RESOURCE_DOES_NOT_EXIST; undefined where something else answered. */
  readonly errorCode: string | undefined;
  /** Any other request would be refused as well: nothing else is worth a try now. */
  readonly everywhere: boolean;

  constructor(
    message: string,
    details: { status?: number | undefined; errorCode?: string | undefined; everywhere?: boolean; hint: string; cause?: unknown },
  ) {
    super("SERVER_REFUSED", message, details);
    this.status = details.status ?? 0;
    this.errorCode = details.errorCode;
    this.everywhere = details.everywhere ?? false;
  }
}

/** An older server that does not know the route at all: it says 404 without MLflow's word for a thing that is missing, or 501. */
export function lacksRoute(error: unknown): boolean {
  if (!(error instanceof ServerRefusal)) return false;
  if (error.errorCode === "ENDPOINT_NOT_FOUND" || error.errorCode === "NOT_IMPLEMENTED") return true;
  return error.errorCode === undefined && (error.status === 404 || error.status === 405 || error.status === 501);
}

/** What was said on a route that every MLflow has: whoever does not know it, or answers something else there, is none, and will be none for any other request. */
export function asNotMlflow(error: unknown): unknown {
  if (!(error instanceof ServerRefusal) || error.errorCode !== undefined || ![0, 400, 404, 405].includes(error.status)) return error;
  return new ServerRefusal(error.message, { status: error.status, everywhere: true, hint: error.hint ?? "", cause: error });
}

/** What came with a status that is no success. */
export interface Failure {
  status: number;
  /** MLflow's `error_code`. */
  errorCode: string | undefined;
  /** FastAPI's `{detail}`: neither MLflow's handlers nor the proxies before them answer in that shape. */
  detail: boolean;
  /** One line for people; of a page, its title. */
  words: string;
}

const ErrorBody = v.object({ error_code: v.optional(v.unknown()), message: v.optional(v.unknown()), detail: v.optional(v.unknown()) });

/** Reads the body of a failure: `{error_code, message}`, `{detail}`, plain words, or a page. */
export function readFailure(status: number, body: string): Failure {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return { status, errorCode: undefined, detail: false, words: body.trimStart().startsWith("<") ? titleOf(status, body) : oneLine(body) };
  }
  const parsed = v.safeParse(ErrorBody, json);
  if (!parsed.success) return { status, errorCode: undefined, detail: false, words: oneLine(body) };
  const { error_code, message, detail } = parsed.output;
  return {
    status,
    errorCode: typeof error_code === "string" ? error_code : undefined,
    detail: typeof detail === "string",
    words: oneLine(typeof message === "string" ? message : typeof detail === "string" ? detail : body),
  };
}

/** What a server, a storage or a proxy says of something that may be gone the next time. */
export const TRANSIENT_STATUS: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** Some permanent errors come with status 500; these words of MLflow's say so. */
const PERMANENT_CODES = new Set([
  "FEATURE_DISABLED",
  "INVALID_PARAMETER_VALUE",
  "RESOURCE_DOES_NOT_EXIST",
  "RESOURCE_ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "UNAUTHENTICATED",
  "BAD_REQUEST",
  "MALFORMED_REQUEST",
  "ENDPOINT_NOT_FOUND",
  "NOT_IMPLEMENTED",
]);

/** Whether the same request may succeed later: by status and error code only. */
export function mayPass(failure: Failure, onArtifacts: boolean): boolean {
  if (!TRANSIENT_STATUS.has(failure.status)) return false;
  if (failure.errorCode !== undefined && PERMANENT_CODES.has(failure.errorCode)) return false;
  return !artifactsAreOff(failure, onArtifacts);
}

/** Whether it is about who asks, or about the way to the server, rather than about what was asked. */
export function isEverywhere(failure: Failure, proxy: string | undefined): boolean {
  const { status } = failure;
  return status === 401 || status === 407 || (status >= 300 && status < 400) || isHostCheck(failure) || isOfProxy(failure, proxy);
}

/** What is known of a request beside its failure. */
export interface Circumstances {
  /** A route that moves artifacts. */
  onArtifacts?: boolean;
  /** Where an answer sends us on to. */
  location?: string | null;
  /** As whom we asked, in words. */
  who?: string | undefined;
  /** The name of a proxy that may have answered instead of the server. */
  proxy?: string | undefined;
  https?: boolean;
}

/** What a person can do about a failure. The server's text chooses words here, and decides nothing. */
export function hintFor(failure: Failure, { onArtifacts = false, location, who, proxy, https = false }: Circumstances): string {
  const { status, errorCode, words } = failure;
  if (artifactsAreOff(failure, onArtifacts))
    return "the server runs with --no-serve-artifacts: start it without, or mount the volume that holds its artifacts";
  if (status >= 300 && status < 400)
    return `the server sends us on${location ? ` to ${location}` : ""}: set MLFLOW_TRACKING_URI to the address that answers itself`;
  if (status === 401)
    return who === undefined
      ? "the server wants to know who asks: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
      : `the server does not accept ${who}: correct it there`;
  if (status === 407) return proxyHint(proxy ?? "", true);
  if (isHostCheck(failure)) return "the server does not know itself by this name: start it with --allowed-hosts name,name:port";
  if (proxy !== undefined && isOfProxy(failure, proxy)) return proxyHint(proxy, false);
  if (status === 403) return `${who ?? "who gives no name"} may not do that there: ask for the permission, or use another login`;
  if ((status === 404 || status === 405) && errorCode === undefined)
    return "nothing of MLflow's is at this address: check host, port and path prefix of MLFLOW_TRACKING_URI";
  if (status === 400 && errorCode === undefined && !https && /https/i.test(words))
    return "the server speaks https on this port: MLFLOW_TRACKING_URI begins with https:// then";
  if (status === 400 && errorCode === undefined && https && /certificate/i.test(words))
    return "the server asks for a certificate: give it with MLFLOW_TRACKING_CLIENT_CERT_PATH";
  if (status === 413) return "a proxy before the server limits the size of a request: raise its limit (nginx: client_max_body_size)";
  if (errorCode === "FEATURE_DISABLED") return "the server has this switched off; without workspaces, unset MLFLOW_WORKSPACE";
  if (status === 429) return "the server is asked too often: try again later";
  if (onArtifacts && status === 503) return "look into the server's log; it may run with --no-serve-artifacts";
  if (status >= 500) return "look into the server's log, then try again";
  return "the server's words say what it does not take";
}

/** What a person can do about a proxy that stands in the way. `name`: its address, without user and password. */
export function proxyHint(name: string, wantsLogin: boolean): string {
  if (wantsLogin) return "the proxy wants a login: write it into HTTP_PROXY and HTTPS_PROXY, http://USER:PASSWORD@HOST:PORT";
  return `is the proxy ${name} (of HTTP_PROXY, HTTPS_PROXY or ALL_PROXY) the right one? name the server's host in NO_PROXY to go without it`;
}

function artifactsAreOff(failure: Failure, onArtifacts: boolean): boolean {
  return onArtifacts && failure.status === 503 && failure.detail;
}

function isHostCheck({ status, words }: Failure): boolean {
  return status === 403 && words.startsWith("Invalid Host header");
}

/** A 403 that is neither MLflow's nor, in its two words, that of its logins. */
function isOfProxy({ status, errorCode, words }: Failure, proxy: string | undefined): boolean {
  return proxy !== undefined && status === 403 && errorCode === undefined && words !== "Permission denied";
}

function titleOf(status: number, page: string): string {
  const title = oneLine(/<title[^>]*>([^<]*)/i.exec(page)?.[1] ?? "");
  return title.startsWith(String(status)) ? title.slice(String(status).length).trim() : title;
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
