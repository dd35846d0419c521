import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { errno } from "./error.ts";
import { machineMarks } from "./machine-marks.ts";

/**
 * A process, so named that a later reader can tell whether it still lives. A pid alone is reused; with its start time, the boot,
 * the pid namespace and the machine it is not.
 */
export interface Who {
  readonly pid: number;
  /** Linux: clock ticks since boot, as seen from `timens`. macOS: `ps -o lstart`, to the second. */
  readonly start: string;
  readonly boot: string;
  /** Empty where the platform has none. */
  readonly pidns: string;
  /** The time namespace: in another one the same process has another start. Empty where the platform has none. */
  readonly timens: string;
  /** The host's name, or `id:` and COFFER_HOST_ID. */
  readonly host: string;
  /** What tells the machine from others of the same name (`machineMarks`); an older coffer wrote down none. */
  readonly machine?: readonly string[];
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

/** The boot of this machine; empty where the platform does not tell. */
export function thisBoot(): string {
  return here().boot;
}

/** A live process of this host; undefined where there is none with that pid. */
export function of(pid: number): Who | undefined {
  const start = startOf(pid);
  return start === undefined ? undefined : { pid, start, ...here() };
}

/**
 * Whether `who` still lives, seen from `me`. `unknown` (another machine, a container beside us) counts as alive for whoever would delete something.
 *
 * A name alone says little: two machines may have the same, and a copy of a machine has the same id, too. Containers lose their host name when they are made again, so
 * COFFER_HOST_ID gives them a lasting one: give each container its own. Whoever bears the same one under another boot, or in another pid namespace and
 * began before this namespace did, is a former life of this container, and dead.
 */
export function liveness(who: Who, me: Who): Liveness {
  if (who.host !== me.host) return "unknown";
  const isNamed = who.host.startsWith("id:");
  if (who.boot !== me.boot) return seenHere(who, me) ?? (isNamed || hasRestarted(who, me) ? "dead" : "unknown");
  // a machine that was copied while it ran goes on with the same boot
  if (areApart(who, me)) return "unknown";
  if (who.pidns !== me.pidns) return isNamed && isOlderThanNamespace(who, me) ? "dead" : "unknown";
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
  if (stat.state === "Z") return "dead";
  if (who.timens !== me.timens) return "unknown";
  return stat.start === who.start ? "alive" : "dead";
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

type Place = Omit<Who, "pid" | "start">;

let place: { named: string | undefined; value: Place } | undefined;

function here(): Place {
  const named = process.env["COFFER_HOST_ID"] || undefined;
  if (place?.named === named && place) return place.value;
  const value: Place = {
    boot: bootId(),
    pidns: namespace("pid"),
    timens: namespace("time"),
    host: named === undefined ? hostname() : `id:${named}`,
    machine: machineMarks(),
  };
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

function namespace(kind: "pid" | "time"): string {
  try {
    return readlinkSync(`/proc/self/ns/${kind}`);
  } catch {
    return "";
  }
}

/** The number of the namespace that each Linux begins with, in every boot. */
const FIRST_NAMESPACE = "pid:[4026531836]";

/** Both saw the whole of this very machine: it has no two boots at a time. */
function hasRestarted(who: Who, me: Who): boolean {
  const isWhole = ({ pidns }: Who): boolean => pidns === FIRST_NAMESPACE || process.platform !== "linux";
  return isWhole(who) && isWhole(me) && marksInCommon(who, me) > 0;
}

function areApart(who: Who, me: Who): boolean {
  return marksOf(who).length > 0 && marksOf(me).length > 0 && marksInCommon(who, me) === 0;
}

function marksInCommon(one: Who, other: Who): number {
  return marksOf(one).filter((mark) => marksOf(other).includes(mark)).length;
}

function marksOf({ machine = [] }: Who): readonly string[] {
  return machine;
}

/** What is seen of it although its boot has another name: some containers have one of their own. undefined where nothing is. */
function seenHere(who: Who, me: Who): Liveness | undefined {
  const stat = who.pidns === me.pidns ? procStat(who.pid) : undefined;
  if (!stat || stat.state === "Z") return undefined;
  if (who.timens !== me.timens) return "unknown";
  return stat.start === who.start ? "alive" : undefined;
}

/** A process that began after this namespace's first one may run in a namespace inside ours or beside us: then nothing is known. */
function isOlderThanNamespace(who: Who, me: Who): boolean {
  const init = procStat(1);
  return init !== undefined && who.timens === me.timens && /^[0-9]+$/.test(who.start) && BigInt(who.start) < BigInt(init.start);
}
