import { readNumber, readSwitch } from "../http/environment.ts";
import type { Environment } from "../http/environment.ts";

/** MLflow's own settings for uploads in parts. */
export interface UploadSettings {
  /** Bytes from which a file goes in parts. */
  readonly partsFrom: number;
  /** Bytes of a part, unless a file would need too many of them. */
  readonly partSize: number;
  /** Whether a server's storage is used for parts; undefined: if the server says that it can. */
  readonly proxiedParts: boolean | undefined;
}

const MIB = 1024 * 1024;
/** What S3 takes for a part, the last one aside, and how many. */
const SMALLEST_PART = 5 * MIB;
const LARGEST_PART = 5 * 1024 * MIB;
const MOST_PARTS = 10_000;

/** @throws CofferError CONFIG_INVALID */
export function readUploadSettings(env: Environment): UploadSettings {
  const wish = env["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"]?.trim();
  return {
    partsFrom: Math.max(1, readNumber(env, "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", 500 * MIB)),
    partSize: Math.round(readNumber(env, "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", 10 * MIB)),
    proxiedParts: wish ? readSwitch(env, "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", true) : undefined,
  };
}

/** Bytes of each part of a file, the last one aside: what was wished, within the limits of S3. */
export function partSizeFor(size: number, wish: number): number {
  const needed = Math.ceil(size / MOST_PARTS / MIB) * MIB;
  return Math.min(LARGEST_PART, Math.max(SMALLEST_PART, wish, needed));
}
