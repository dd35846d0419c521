import { accessSync, constants, existsSync, statfsSync } from "node:fs";
import { loadBlake3 } from "../blobs/blake3.ts";
import type { Settings } from "../config/settings.ts";
import * as blobs from "../db/bytes/blobs.ts";
import * as damage from "../db/bytes/damage.ts";
import { lockedBy } from "../db/wait/locked-by.ts";
import * as metadata from "../db/open/metadata.ts";
import { MIGRATIONS } from "../db/open/migrations.ts";
import { hasLog } from "../db/open/open-to-read.ts";
import { troubleAdvice, troubleOf, troubleWords } from "../domain/disk-trouble.ts";
import { CofferError, reason } from "../domain/error.ts";
import { findingsOf } from "../domain/finding.ts";
import type { Finding } from "../domain/finding.ts";
import { countOf, formatBytes } from "../domain/quantity.ts";
import { nearest } from "./examine-disks.ts";
import type { Store } from "./store.ts";

const { ok, warn, fail } = findingsOf("store");

/** Less room than this is worth a word, in bytes. */
const SCARCE = 1024 ** 3;

/** Files that are looked for, of those that the store got last. */
const LOOKED_FOR = 100;

/** What can be told of a store without reading its bytes. `opened`: the store, or what kept it from being opened. Makes nothing. */
export async function examineStore(settings: Settings, opened: Store | CofferError): Promise<Finding[]> {
  const root = settings.roots.store;
  const findings = [ok("root", `${root} (${settings.origin("artifact_store.root_path").where})`)];
  if (!(opened instanceof CofferError)) {
    const kept = hasLog(opened.path("coffer.db")) ? "write-ahead log" : "rollback journal";
    findings.push(ok("database", `version ${MIGRATIONS.length}, id ${metadata.get(opened.db, "id") ?? "none"}, with a ${kept}`));
    findings.push(...lock(opened), ...files(opened));
    const damaged = damage.all(opened.db).size;
    if (damaged > 0)
      findings.push(
        warn(
          "bytes",
          `${countOf(damaged, "blob is", "blobs are")} known to be damaged or lost`,
          "coffer verify --repair looks for other copies; coffer ls shows whose they are",
        ),
      );
  } else if (opened.code === "NOT_FOUND") findings.push(ok("database", "there is none yet: the first coffer run or coffer log makes it"));
  else findings.push(fail("database", opened.message, opened.hint));
  findings.push(...[root, settings.roots.workspace].map(writable), room(root));
  const { backend, why } = await loadBlake3();
  findings.push(
    backend === "native"
      ? ok("hashing", "BLAKE3 by the native library")
      : warn(
          "hashing",
          `BLAKE3 by WebAssembly, at a twentieth of the speed: ${why}`,
          "let XDG_CACHE_HOME be a directory that programs may be run from",
        ),
  );
  return findings;
}

/** Whoever writes waits for it. */
function lock({ db, readOnly }: Store): Finding[] {
  const holder = readOnly ? undefined : lockedBy(db);
  if (!holder) return [];
  return [warn("lock", `who writes has to wait: ${holder.words}`, holder.todo ?? "see in your process list what is at work in this store")];
}

/** Whether files are where rows have them. */
function files(store: Store): Finding[] {
  const asked = blobs.latestFiles(store.db, LOOKED_FOR);
  const isGone = (path: string): boolean => !existsSync(store.path(path));
  if (!asked.some(isGone)) return [];
  // what gc has taken meanwhile is not missing
  const gone = blobs.latestFiles(store.db, LOOKED_FOR).filter(isGone);
  if (gone.length === 0) return [];
  const isAllGone = !existsSync(store.path("binaries"));
  const found = isAllGone
    ? `${store.path("binaries")} is not there, and the database knows files in it`
    : `of ${countOf(asked.length, "file")} that were looked for ${gone.length} ${gone.length === 1 ? "is" : "are"} not there, such as ${gone[0]}`;
  const todo = "put it back where it was moved or unmounted; coffer verify lists what is missing, and with --repair looks for other copies";
  return [fail("files", found, todo)];
}

/** One that is not there yet is made by whoever needs it. */
function writable(directory: string): Finding {
  const there = nearest(directory);
  try {
    accessSync(there, constants.W_OK | constants.X_OK);
    return ok("writable", there === directory ? directory : `${directory} (can be made in ${there})`);
  } catch (error) {
    const trouble = troubleOf(error, there);
    const todo = trouble && trouble !== "denied" ? troubleAdvice(trouble) : `give this user the right to write to ${there}`;
    return fail("writable", `${directory}: ${trouble ? troubleWords(trouble) : reason(error)}`, `${todo}; or name another with --root`);
  }
}

function room(root: string): Finding {
  try {
    const { bavail, bsize, blocks } = statfsSync(nearest(root));
    const free = bavail * bsize;
    const words = `${formatBytes(free)} of ${formatBytes(blocks * bsize)} are free`;
    return free < SCARCE ? warn("room", words, "coffer gc shows what can go; coffer stats what takes the room") : ok("room", words);
  } catch (error) {
    return warn("room", `the file system does not say: ${reason(error)}`, "nothing has to be done");
  }
}
