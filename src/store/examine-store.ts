import { accessSync, constants, statfsSync } from "node:fs";
import { loadBlake3 } from "../blobs/blake3.ts";
import type { Settings } from "../config/settings.ts";
import * as damage from "../db/bytes/damage.ts";
import { modeOf } from "../db/open/journal-mode.ts";
import * as metadata from "../db/open/metadata.ts";
import { MIGRATIONS } from "../db/open/migrations.ts";
import { CofferError, reason } from "../domain/error.ts";
import { findingsOf } from "../domain/finding.ts";
import type { Finding } from "../domain/finding.ts";
import { countOf, formatBytes } from "../domain/quantity.ts";
import { nearest } from "./examine-disks.ts";
import type { Store } from "./store.ts";

const { ok, warn, fail } = findingsOf("store");

/** Less room than this is worth a word, in bytes. */
const SCARCE = 1024 ** 3;

/** What can be told of a store without reading its bytes. `opened`: the store, or what kept it from being opened. Makes nothing. */
export async function examineStore(settings: Settings, opened: Store | CofferError): Promise<Finding[]> {
  const root = settings.roots.store;
  const findings = [ok("root", `${root} (${settings.origin("artifact_store.root_path").where})`)];
  if (!(opened instanceof CofferError)) {
    const kept = modeOf(opened.db) === "wal" ? "write-ahead log" : "rollback journal";
    findings.push(ok("database", `version ${MIGRATIONS.length}, id ${metadata.get(opened.db, "id") ?? "none"}, with a ${kept}`));
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

/** One that is not there yet is made by whoever needs it. */
function writable(directory: string): Finding {
  const there = nearest(directory);
  try {
    accessSync(there, constants.W_OK | constants.X_OK);
    return ok("writable", there === directory ? directory : `${directory} (can be made in ${there})`);
  } catch (error) {
    return fail("writable", `${directory}: ${reason(error)}`, `give this user the right to write to ${there}, or name another with --root`);
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
