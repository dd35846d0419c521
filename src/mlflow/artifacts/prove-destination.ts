import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import * as v from "valibot";
import { errno } from "../../domain/error.ts";
import { liveness, self } from "../../domain/process-identity.ts";
import type { Connection } from "../http/connection.ts";
import { listDirectory } from "./list-artifacts.ts";

/** What a marker is called, before what makes it the only one; it holds whose it is. */
const MARKER = "coffer-probe-";
const Owner = v.object({
  pid: v.number(),
  start: v.string(),
  boot: v.string(),
  pidns: v.string(),
  timens: v.optional(v.string(), ""),
  host: v.string(),
  machine: v.optional(v.array(v.string()), []),
});

/**
 * Whether `directory` on this disk is where the server keeps the run's artifacts: a marker written here must show there. Which directory
 * that is stands in no API, and a path that the server names may be on another machine. Leaves nothing behind, and takes away what a process that was killed
 * in the middle of this did leave.
 * A directory that cannot be written to proves nothing: false.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED
 */
export async function provesDestination(connection: Connection, runId: string, directory: string): Promise<boolean> {
  const name = `${MARKER}${crypto.randomUUID()}`;
  let made: string | undefined;
  try {
    made = mkdirSync(directory, { recursive: true });
    if (made === undefined) dropDeadMarkers(directory);
    writeFileSync(join(directory, name), JSON.stringify(self()), { flag: "wx" });
  } catch (error) {
    if (made !== undefined) removeEmpty(directory, made);
    if (errno(error) === undefined) throw error;
    return false;
  }
  try {
    return (await listDirectory(connection, runId, undefined)).some((entry) => entry.path === name);
  } finally {
    rmSync(join(directory, name), { force: true });
    if (made !== undefined) removeEmpty(directory, made);
  }
}

/** Markers of processes that are dead. One of another machine, which may be about to look for it, stays. */
function dropDeadMarkers(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!name.startsWith(MARKER)) continue;
    try {
      const owner = v.parse(Owner, JSON.parse(readFileSync(join(directory, name), "utf8")));
      if (liveness(owner, self()) === "dead") rmSync(join(directory, name), { force: true });
    } catch {
      // not ours to read, or gone
    }
  }
}

/** Takes back the directories that were made for the probe, from the innermost to `made`; one that someone uses by now stays. */
function removeEmpty(directory: string, made: string): void {
  try {
    for (let at = directory; at.length >= made.length; at = dirname(at)) rmdirSync(at);
  } catch {
    return;
  }
}
