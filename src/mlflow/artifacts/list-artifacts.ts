import * as v from "valibot";
import type { Connection } from "../http/connection.ts";
import { ServerRefusal } from "../http/refusal.ts";
import { REST } from "../http/request.ts";
import { callStorageRoute } from "./storage-route.ts";

/** What the server says of one directory. */
export const ListAnswer = v.object({
  files: v.optional(
    v.array(
      v.object({
        path: v.string(),
        is_dir: v.optional(v.boolean(), false),
        file_size: v.optional(v.pipe(v.union([v.number(), v.string()]), v.transform(Number)), 0),
      }),
    ),
    [],
  ),
});

/** Requests at once: one level of a large tree is many directories. */
const AT_ONCE = 8;
/** More than anyone's; whoever answers on that port may make them up. */
const MOST_DIRECTORIES = 100_000;
const LONGEST_PATH = 10_000;

/**
 * Every file of a run with its size in bytes, by path. The server lists one directory at a time; `enter` leaves out those that nobody asked for.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED
 */
export async function listArtifacts(
  connection: Connection,
  runId: string,
  enter: (directory: string) => boolean = () => true,
): Promise<Map<string, number>> {
  return listTree(connection, (directory) => listDirectory(connection, runId, directory), enter);
}

/** The same with any way to `list` one directory. None is asked for twice. @throws CofferError SERVER_REFUSED for a tree without an end; what `list` throws */
export async function listTree(
  connection: Connection,
  list: (directory: string | undefined) => Promise<Entry[]>,
  enter: (directory: string) => boolean = () => true,
): Promise<Map<string, number>> {
  const files = new Map<string, number>();
  const known = new Set<string | undefined>([undefined]);
  const waiting = [...known];
  while (waiting.length > 0) {
    const level = await Promise.all(waiting.splice(0, AT_ONCE).map(list));
    for (const entry of level.flat()) {
      if (!entry.is_dir) files.set(entry.path, entry.file_size);
      else if (!known.has(entry.path) && enter(entry.path)) {
        if (known.size > MOST_DIRECTORIES || entry.path.length > LONGEST_PATH)
          throw new ServerRefusal(`${connection.displayUri}: the directories that it lists have no end`, {
            hint: "look at the artifacts of that run on the server's page",
          });
        known.add(entry.path);
        waiting.push(entry.path);
      }
    }
  }
  return files;
}

/**
 * The files that lie in these directories themselves, with their sizes in bytes, by path; `""` is the run's root. Nothing above or below is asked for: whoever
 * knows where files should be finds them in one step, however deep they lie.
 * @throws CofferError SERVER_UNREACHABLE, SERVER_REFUSED
 */
export async function listDirectories(connection: Connection, runId: string, directories: Iterable<string>): Promise<Map<string, number>> {
  const files = new Map<string, number>();
  const waiting = [...directories];
  const work = async (): Promise<void> => {
    for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop())
      for (const entry of await listDirectory(connection, runId, directory === "" ? undefined : directory))
        if (!entry.is_dir) files.set(entry.path, entry.file_size);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, waiting.length) }, work));
  return files;
}

interface Entry {
  path: string;
  is_dir: boolean;
  /** 0 for an empty file, whose size the server leaves out. */
  file_size: number;
}

/** One directory; undefined is the run's root. One that does not exist is empty. Paths count from the root. */
export async function listDirectory(connection: Connection, runId: string, directory: string | undefined): Promise<Entry[]> {
  return (await callStorageRoute(connection, "GET", `${REST}/artifacts/list`, { run_id: runId, path: directory }, ListAnswer)).files;
}
