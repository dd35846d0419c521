import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { errno } from "./error.ts";

/**
 * A process, so named that a later reader can tell whether it still lives. A pid alone is reused; with its start time, the boot,
 * the pid namespace and the host it is not.
 */
export interface Who {
  readonly pid: number;
  /** Linux: clock ticks since boot. macOS: `ps -o lstart`, to the second. */
  readonly start: string;
  readonly boot: string;
  /** Empty where the platform has none. */
  readonly pidns: string;
  /** The host's name, or `id:` and COFFER_HOST_ID. */
  readonly host: string;
}

export type Liveness = "alive" | "dead" | "unknown";

export interface ProcStat {
  /** One letter; `Z` is a zombie. */
  state: string;
  parent: number;
  group: number;
  /** The foreground group of its terminal; -1 without one. */
  terminalGroup: number;
  start: string;
}

/** This process. */
export function self(): Who {
  const who = of(process.pid);
  if (!who) throw new Error("this process cannot see itself: is /proc mounted?");
  return who;
}

/** A live process of this host; undefined where there is none with that pid. */
export function of(pid: number): Who | undefined {
  const start = startOf(pid);
  return start === undefined ? undefined : { pid, start, ...here() };
}

/**
 * Whether `who` still lives, seen from `me`. `unknown` (another host, a container beside us) counts as alive for whoever would delete something.
 *
 * Containers lose their host name when they are made again, so COFFER_HOST_ID gives them a lasting one: give each container its own. Whoever bears
 * the same one in another pid namespace, and began before this namespace did, is a former life of this container, and dead.
 */
export function liveness(who: Who, me: Who): Liveness {
  if (who.host !== me.host) return "unknown"; // a machine that shares the volume: its boot differs too, which says nothing
  if (who.boot !== me.boot) return "dead";
  if (who.pidns !== me.pidns) return who.host.startsWith("id:") && isOlderThanNamespace(who) ? "dead" : "unknown";
  try {
    process.kill(who.pid, 0);
  } catch (error) {
    if (errno(error) === "ESRCH") return "dead";
    if (errno(error) !== "EPERM") return "unknown";
  }
  if (process.platform !== "linux") {
    const start = startOf(who.pid);
    return start === undefined ? "unknown" : start === who.start ? "alive" : "dead";
  }
  const stat = procStat(who.pid);
  if (!stat) return "unknown"; // hidepid, or it ended just now
  // a zombie answers kill(0), but runs nothing any more
  return stat.start !== who.start || stat.state === "Z" ? "dead" : "alive";
}

/** What /proc says about a process; undefined where it is gone or there is no /proc. */
export function procStat(pid: number | "self"): ProcStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // the command's name may hold blanks and parentheses: the fields begin behind the last one
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, parent, group, , , terminalGroup] = fields;
  return {
    state: state as string,
    parent: Number(parent),
    group: Number(group),
    terminalGroup: Number(terminalGroup),
    start: fields[19] as string,
  };
}

type Place = Pick<Who, "boot" | "pidns" | "host">;

let place: { named: string | undefined; value: Place } | undefined;

function here(): Place {
  const named = process.env["COFFER_HOST_ID"] || undefined;
  if (place?.named === named && place) return place.value;
  const value: Place = { boot: bootId(), pidns: pidNamespace(), host: named === undefined ? hostname() : `id:${named}` };
  place = { named, value };
  return value;
}

function startOf(pid: number): string | undefined {
  if (process.platform === "linux") return procStat(pid)?.start;
  const ps = Bun.spawnSync(["ps", "-o", "lstart=", "-p", String(pid)], { env: { LC_ALL: "C", TZ: "UTC", PATH: "/bin:/usr/bin" } });
  return ps.stdout.toString().trim() || undefined;
}

/** macOS: written from its manual pages, not proven on one. */
function bootId(): string {
  if (process.platform === "linux") return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  return Bun.spawnSync(["sysctl", "-n", "kern.bootsessionuuid"]).stdout.toString().trim();
}

function pidNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}

/** A process that began after this namespace's first one may run in a namespace inside ours or beside us: then nothing is known. */
function isOlderThanNamespace(who: Who): boolean {
  const init = procStat(1);
  return init !== undefined && /^[0-9]+$/.test(who.start) && BigInt(who.start) < BigInt(init.start);
}
