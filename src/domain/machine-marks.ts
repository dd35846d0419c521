import { existsSync, readdirSync, readFileSync } from "node:fs";

const INTERFACES = "/sys/class/net";
/** What its hardware gave an interface, and nobody made up or changed. */
const PERMANENT = "0";
/** What is written down of a process has to go into the text of a link. */
const MOST = 16;

/**
 * What tells this machine from any other, whatever both are called: one mark for each network card, made from its address and the machine's id (neither can be read
 * from it). Two lists with a mark in common are of one machine. A copy of a virtual machine has its id, but cards of its own; a container has the id of its image,
 * and mostly no card. Empty where nothing is certain.
 */
export function machineMarks(): string[] {
  return process.platform === "linux" ? linuxMarks() : platformMark();
}

function linuxMarks(): string[] {
  const id = readOr("/etc/machine-id") || readOr("/var/lib/dbus/machine-id");
  if (!/^[0-9a-f]{32}$/.test(id)) return [];
  return interfaces()
    .filter((name) => existsSync(`${INTERFACES}/${name}/device`) && readOr(`${INTERFACES}/${name}/addr_assign_type`) === PERMANENT)
    .map((name) => readOr(`${INTERFACES}/${name}/address`))
    .filter((address) => /[1-9a-f]/.test(address))
    .map((address) => markOf(`${id} ${address}`))
    .sort()
    .slice(0, MOST);
}

/** macOS: written from its manual pages, not proven on one. */
function platformMark(): string[] {
  const ioreg = Bun.spawnSync(["/usr/sbin/ioreg", "-d2", "-c", "IOPlatformExpertDevice"]).stdout.toString();
  const id = /"IOPlatformUUID" = "([0-9A-F-]+)"/.exec(ioreg)?.[1];
  return id === undefined ? [] : [markOf(id)];
}

/** Enough digits that no two machines share one. */
const DIGITS = 16;

function markOf(text: string): string {
  return new Bun.CryptoHasher("sha256").update(`coffer ${text}`).digest("hex").slice(0, DIGITS);
}

function interfaces(): string[] {
  try {
    return readdirSync(INTERFACES);
  } catch {
    return [];
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, "latin1").trim();
  } catch {
    return "";
  }
}
