import type { S3Credentials } from "./s3-settings.ts";

export interface S3Request {
  method: string;
  /** Path and query encoded as they are sent. */
  url: URL;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** A body that is read once, while it is sent, is not signed. */
  body?: string;
}

/**
 * The headers that let a request pass at S3: Signature Version 4, as Amazon's reference “Authenticating Requests (AWS Signature Version 4)” has it.
 * Signed are host, content type and all `x-amz-` headers. `at`: milliseconds since 1970.
 */
export function signS3(request: S3Request, credentials: S3Credentials, region: string, at: number): Record<string, string> {
  const time = new Date(at).toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`;
  const headers: Record<string, string> = {
    ...request.headers,
    "x-amz-content-sha256": request.body === undefined ? "UNSIGNED-PAYLOAD" : sha256(request.body),
    "x-amz-date": time,
    ...(credentials.sessionToken !== undefined && { "x-amz-security-token": credentials.sessionToken }),
  };
  const signed = Object.entries({ ...headers, host: request.url.host })
    .filter(([name]) => name === "host" || name === "content-type" || name.startsWith("x-amz-"))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const names = signed.map(([name]) => name).join(";");
  const canonical = [
    request.method,
    request.url.pathname,
    canonicalQuery(request.url),
    ...signed.map(([name, value]) => `${name}:${value.trim().replace(/ +/g, " ")}`),
    "",
    names,
    headers["x-amz-content-sha256"],
  ].join("\n");
  const key = ["s3", "aws4_request"].reduce(hmac, hmac(hmac(`AWS4${credentials.secretAccessKey}`, time.slice(0, 8)), region));
  const signature = hmac(key, ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n")).toString("hex");
  headers["authorization"] =
    `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return headers;
}

/** As S3 wants it: everything but letters, digits, `-`, `.`, `_` and `~` is encoded, blanks as `%20`. */
export function encodeForS3(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

function canonicalQuery(url: URL): string {
  return [...url.searchParams]
    .map(([name, value]) => [encodeForS3(name), encodeForS3(value)] as const)
    .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}

function hmac(key: string | Buffer, text: string): Buffer {
  return new Bun.CryptoHasher("sha256", key).update(text).digest() as Buffer;
}

function sha256(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex");
}
