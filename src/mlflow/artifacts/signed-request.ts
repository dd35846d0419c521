import type { StoreRequest } from "./object-store.ts";

/** What object stores ask for of a write that was signed. Any other header (`Authorization`, `Cookie`, `Host`) is not the server's to choose. */
const HEADER = /^(x-(amz|goog|ms)-[a-z0-9-]+|content-(type|md5|encoding|disposition|language)|cache-control|expires|if-(none-)?match)$/i;

/** The PUT that a server signed: its address is a secret until it expires, and of the headers go those that storages know. */
export function signedRequest(url: string, headers: Readonly<Record<string, string>>): StoreRequest {
  const kept = Object.entries(headers).filter(([name, value]) => HEADER.test(name) && /^[\t\x20-\x7e]*$/.test(value));
  return { method: "PUT", url, headers: Object.fromEntries(kept) };
}
