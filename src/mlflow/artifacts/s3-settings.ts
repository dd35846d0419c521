import * as v from "valibot";
import { readFileSync } from "node:fs";
import { CofferError, reason } from "../../domain/error.ts";
import { readSwitch } from "../http/environment.ts";
import type { Environment } from "../http/environment.ts";

export interface S3Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string | undefined;
}

/** How to write to an S3 of one's own, as MLflow's client and boto3 read it from the environment. */
export interface S3Settings {
  /** undefined where the environment has none. A function, so that nothing that prints settings prints a key. */
  readonly credentials: (() => S3Credentials) | undefined;
  /** Scheme, host and port, perhaps a path; no slash at its end. undefined: Amazon's. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly addressing: "auto" | "path" | "virtual";
  /** For each request: whose bucket it has to be. */
  readonly always: Readonly<Record<string, string>>;
  /** For each new object: encryption, access rights and the like (MLFLOW_S3_UPLOAD_EXTRA_ARGS). */
  readonly onObjects: Readonly<Record<string, string>>;
}

/** What boto3 calls a header, and its name. Keys that a client brings along (SSE-C) are not among them. */
const HEADERS: Readonly<Record<string, string>> = {
  ACL: "x-amz-acl",
  BucketKeyEnabled: "x-amz-server-side-encryption-bucket-key-enabled",
  CacheControl: "cache-control",
  ContentDisposition: "content-disposition",
  ContentEncoding: "content-encoding",
  ContentLanguage: "content-language",
  ContentType: "content-type",
  Expires: "expires",
  GrantFullControl: "x-amz-grant-full-control",
  GrantRead: "x-amz-grant-read",
  GrantReadACP: "x-amz-grant-read-acp",
  GrantWriteACP: "x-amz-grant-write-acp",
  ObjectLockLegalHoldStatus: "x-amz-object-lock-legal-hold",
  ObjectLockMode: "x-amz-object-lock-mode",
  ObjectLockRetainUntilDate: "x-amz-object-lock-retain-until-date",
  SSEKMSEncryptionContext: "x-amz-server-side-encryption-context",
  SSEKMSKeyId: "x-amz-server-side-encryption-aws-kms-key-id",
  ServerSideEncryption: "x-amz-server-side-encryption",
  StorageClass: "x-amz-storage-class",
  Tagging: "x-amz-tagging",
  WebsiteRedirectLocation: "x-amz-website-redirect-location",
};

/** @throws CofferError CONFIG_INVALID */
export function readS3Settings(env: Environment): S3Settings {
  const accessKeyId = env["AWS_ACCESS_KEY_ID"];
  const secretAccessKey = env["AWS_SECRET_ACCESS_KEY"];
  const sessionToken = env["AWS_SESSION_TOKEN"] || undefined;
  const owner = env["MLFLOW_S3_EXPECTED_BUCKET_OWNER"];
  const wish = env["MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"] || "auto";
  if (wish !== "auto" && wish !== "path" && wish !== "virtual")
    throw new CofferError("CONFIG_INVALID", `MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE is “${wish}”`, { hint: "give auto, path or virtual" });
  return {
    credentials: accessKeyId && secretAccessKey ? () => ({ accessKeyId, secretAccessKey, sessionToken }) : undefined,
    endpoint: readEndpoint(env),
    region: env["AWS_REGION"] || env["AWS_DEFAULT_REGION"] || "us-east-1",
    addressing: wish,
    always: owner ? { "x-amz-expected-bucket-owner": owner } : {},
    onObjects: readExtras(env["MLFLOW_S3_UPLOAD_EXTRA_ARGS"]),
  };
}

/** What TLS takes for true when it speaks to storage: its certificates are another authority's than the tracking server's. */
export function readStorageTls(env: Environment): { rejectUnauthorized?: boolean; ca?: string } | undefined {
  if (readSwitch(env, "MLFLOW_S3_IGNORE_TLS", false)) return { rejectUnauthorized: false };
  const bundle = env["AWS_CA_BUNDLE"];
  if (!bundle) return undefined;
  try {
    return { ca: readFileSync(bundle, "utf8") };
  } catch (error) {
    throw new CofferError("CONFIG_INVALID", `cannot read AWS_CA_BUNDLE: ${reason(error)}`, { hint: "give the path of a PEM file" });
  }
}

function readEndpoint(env: Environment): string | undefined {
  const name = ["MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].find((variable) => env[variable]);
  if (name === undefined) return undefined;
  const url = URL.parse(env[name] as string);
  if (!url || (url.protocol !== "http:" && url.protocol !== "https:") || url.username !== "" || url.search !== "")
    throw new CofferError("CONFIG_INVALID", `${name} is no address of a storage`, {
      hint: "give scheme, host and port, such as http://minio:9000; keys belong into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    });
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

function readExtras(text: string | undefined): Record<string, string> {
  if (!text) return {};
  const wrong = (what: string): CofferError =>
    new CofferError("CONFIG_INVALID", `MLFLOW_S3_UPLOAD_EXTRA_ARGS ${what}`, {
      hint: `give a JSON object such as {"ServerSideEncryption": "aws:kms"}`,
    });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw wrong("is not JSON");
  }
  const parsed = v.safeParse(v.record(v.string(), v.union([v.string(), v.number(), v.boolean()])), json);
  if (!parsed.success) throw wrong("is not an object of plain values");
  const unknown = Object.keys(parsed.output).find((name) => !Object.hasOwn(HEADERS, name));
  if (unknown !== undefined) throw wrong(`has “${unknown}”, which coffer cannot send`);
  return Object.fromEntries(Object.entries(parsed.output).map(([name, value]) => [HEADERS[name] as string, String(value)]));
}
