import { CofferError } from "../../domain/error.ts";
import type { Environment } from "./environment.ts";
import { percentDecoded } from "./percent-decoded.ts";

export interface Proxy {
  /** With user and password, where it has them. */
  readonly url: () => string;
  /** Without them. */
  readonly name: string;
  /** The way to it is https. */
  readonly isSecure: boolean;
  readonly secrets: readonly string[];
}

/**
 * The proxy for an address, read from `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` as MLflow's client (Python's requests) reads them: the spelling in small
 * letters comes first, and an empty one takes the other away. undefined: straight there.
 * @throws CofferError CONFIG_INVALID for a proxy that speaks no HTTP
 */
export function findProxy(env: Environment, address: URL): Proxy | undefined {
  const scheme = address.protocol.slice(0, -1);
  const name = [scheme, "all"].find((kind) => valueOf(env, kind));
  if (name === undefined || bypasses(env, address)) return undefined;
  const given = valueOf(env, name) as string;
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? given : `http://${given}`);
  if (!url || url.hostname === "" || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw new CofferError("CONFIG_INVALID", `${name.toUpperCase()}_PROXY is no http or https address`, {
      hint: "give a proxy that speaks HTTP, such as http://proxy:3128, or name the server in NO_PROXY",
    });
  return { url: () => url.href, name: `${url.protocol}//${url.host}`, isSecure: url.protocol === "https:", secrets: secretsOf(url) };
}

function valueOf(env: Environment, kind: string): string | undefined {
  const small = env[`${kind}_proxy`];
  if (small !== undefined) return small || undefined;
  // a web server hands the header `Proxy:` of whoever asks to its scripts under this name
  if (kind === "http" && env["REQUEST_METHOD"] !== undefined) return undefined;
  return env[`${kind.toUpperCase()}_PROXY`] || undefined;
}

function bypasses(env: Environment, { hostname: host, port }: URL): boolean {
  // the lists name IPv6 addresses without brackets
  const hostname = host.replace(/^\[|\]$/g, "");
  const listed = split(env["no_proxy"] || env["NO_PROXY"] || "");
  const number = ipv4(hostname);
  if (number !== undefined) {
    if (listed.some((entry) => (entry.includes("/") ? inNetwork(number, entry) : entry === hostname))) return true;
  } else if (listed.some((entry) => endsAs(hostname, entry) || endsAs(`${hostname}:${port}`, entry))) return true;
  const all = (valueOf(env, "no") ?? "").toLowerCase();
  return all === "*" || split(all).some((entry) => endsAs(hostname, entry));
}

function split(list: string): string[] {
  return list.replaceAll(" ", "").split(",").filter(Boolean);
}

function endsAs(host: string, entry: string): boolean {
  const name = entry.replace(/^\.+/, "");
  return host === name || host.endsWith(`.${name}`);
}

function inNetwork(address: number, network: string): boolean {
  const [base = "", bits = ""] = network.split("/");
  const start = ipv4(base);
  if (start === undefined || !/^\d{1,2}$/.test(bits) || Number(bits) < 1 || Number(bits) > 32) return false;
  const size = 2 ** (32 - Number(bits));
  return Math.floor(address / size) === Math.floor(start / size);
}

function ipv4(text: string): number | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  return text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

function secretsOf({ username, password }: URL): string[] {
  if (password === "") return [];
  const plain = percentDecoded(password);
  return [Buffer.from(`${percentDecoded(username)}:${plain}`).toString("base64"), password, plain];
}
