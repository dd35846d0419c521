import type { Connection } from "./connection.ts";
import { ServerRefusal } from "./refusal.ts";
import type { Tls } from "./tls.ts";

/** What a request has besides its address. */
export type Outgoing = Pick<RequestInit, "method" | "body" | "signal" | "keepalive"> & {
  headers: Record<string, string>;
  tls?: Tls | undefined;
};

/** An address that requests may go to. */
export type HttpAddress = string & { readonly isHttp: unique symbol };

/** All requests go through here, by the proxy that the environment wants, and never further than to the address given. Rejects with what `fetch` says. */
export function send(connection: Connection, address: HttpAddress, { body, tls, ...request }: Outgoing): Promise<Response> {
  const proxy = connection.proxyTo(address);
  return fetch(address, {
    ...request,
    ...(body !== undefined && { body }),
    // fetch takes it in anew with each request, even where there is no TLS: certificates of a whole machine are 220 kB
    ...(tls && (address.startsWith("https:") || proxy?.isSecure) && { tls }),
    // left to itself, fetch reads the variables of proxies in a way of its own
    proxy: proxy ? { url: proxy.url(), respectNoProxy: false } : false,
    // a 307 would repeat a stream body as an empty one and call it stored
    redirect: "manual",
  });
}

/** Whether the kernel may hand a file to the network by itself, which takes a tenth of the time of this process: there is no TLS on the way, and no proxy. Linux names an opened file so that it can be opened again. */
export function takesFiles(connection: Connection, address: string): boolean {
  return process.platform === "linux" && address.startsWith("http:") && !connection.proxyTo(address);
}

/**
 * An address of http or https. Servers choose many of them, and Bun's fetch takes more: it reads `file:`, `data:` and `blob:`, and writes to `s3://bucket/key` with
 * the user's own AWS keys. A name and a password within are nobody's to choose but the user's.
 * @throws CofferError SERVER_REFUSED, without anything of it that may be a secret
 */
export function httpAddress(connection: Connection, address: string): HttpAddress {
  const url = URL.parse(address);
  const fault = !url
    ? "one that is malformed"
    : url.protocol !== "http:" && url.protocol !== "https:"
      ? `one of ${url.protocol.slice(0, 40)} instead of http or https`
      : url.username !== "" || url.password !== ""
        ? `${url.protocol}//…@${url.host}, with a name in it`
        : undefined;
  if (url && fault === undefined) return url.href as HttpAddress;
  throw new ServerRefusal(`${connection.displayUri} gave an address that coffer does not go to: ${fault}`, {
    status: 0,
    hint: "look at the storage that the server is configured with: its addresses are to be those of http or https",
  });
}
