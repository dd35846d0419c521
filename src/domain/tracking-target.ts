import { displayUrl } from "./secret.ts";

/**
 * The name that a server has in the outbox: its tracking URI as browsers write it, without user part, query, fragment and trailing slashes, so that one address is one
 * server however it was spelled.
 */
export function trackingTarget(uri: string): string {
  const url = URL.parse(uri.trim());
  // of anything else nothing is ever delivered, and it may hold a password anywhere
  if (!url || !/^https?:$/.test(url.protocol)) return displayUrl(uri).replace(/\/+$/, "");
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, "")}`;
}
