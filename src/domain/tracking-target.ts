import { displayUrl } from "./secret.ts";

/** The name that a server has in the outbox: its tracking URI without user part and trailing slashes, however it was written. */
export function trackingTarget(uri: string): string {
  return displayUrl(uri).replace(/\/+$/, "");
}
