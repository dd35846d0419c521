import { mkdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { errno } from "../domain/error.ts";
import type { Connection } from "./connection.ts";
import { listDirectory } from "./list-artifacts.ts";

/**
 * Whether `directory` on this disk is where the server keeps the run's artifacts: a marker written here must show there. Which directory
 * that is stands in no API, and a path that the server names may be on another machine. Leaves nothing behind.
 * A directory that cannot be written to proves nothing: false.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED
 */
export async function provesDestination(connection: Connection, runId: string, directory: string): Promise<boolean> {
  const name = `coffer-probe-${crypto.randomUUID()}`;
  let made: string | undefined;
  try {
    made = mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, name), "", { flag: "wx" });
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

/** Takes back the directories that were made for the probe, from the innermost to `made`; one that someone uses by now stays. */
function removeEmpty(directory: string, made: string): void {
  try {
    for (let at = directory; at.length >= made.length; at = dirname(at)) rmdirSync(at);
  } catch {
    return;
  }
}
