import { chmodSync, closeSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { cloneOpened, copyOpened, openRegular } from "../blobs/copy.ts";
import { makeDirectory, syncPath } from "../blobs/durable.ts";
import type { DatabaseCopy } from "../db/copy-database.ts";
import { CofferError, reason } from "../domain/error.ts";
import { blobRow, checkedFile } from "./read.ts";
import type { Store } from "./store.ts";
import { twoAtOnce } from "./two-at-once.ts";

const AT_ONCE = 64;

/** Copies every file and pack that a copy of the database names to the same place below `directory`, and flushes it. What is damaged in the store is left out, and named. */
export async function copyBytes(
  store: Store,
  copy: DatabaseCopy,
  directory: string,
  { stop, failed }: { stop: () => boolean; failed: { path: string; error: string }[] },
): Promise<{ files: number; bytes: number }> {
  const done = { files: 0, bytes: 0 };
  const bring = async (batch: readonly { path: string; source: () => Promise<string> }[]): Promise<void> => {
    const made: string[] = [];
    await twoAtOnce(batch, async ({ path, source }) => {
      const to = join(directory, path);
      try {
        const size = await copyFile(await source(), to);
        done.bytes += size;
      } catch (error) {
        if (!(error instanceof CofferError)) throw error;
        failed.push({ path, error: reason(error) });
        return;
      }
      made.push(to);
      done.files++;
    });
    // together: the file system commits many of them at once
    await Promise.all(made.map(syncPath));
  };
  const packs = copy.packs();
  for (let from = 0; from < packs.length && !stop(); from += AT_ONCE)
    await bring(packs.slice(from, from + AT_ONCE).map(({ path }) => ({ path, source: async () => store.path(path) })));
  for (let batch = copy.files(0, AT_ONCE); batch.length > 0 && !stop(); batch = copy.files(batch.at(-1)?.seq ?? 0, AT_ONCE))
    // asked of the store as it is now: the file may have moved since
    await bring(batch.map(({ seq, path }) => ({ path, source: () => checkedFile(store, blobRow(store, seq)) })));
  return done;
}

/** Returns the bytes. */
async function copyFile(from: string, to: string): Promise<number> {
  makeDirectory(dirname(to));
  const { fd, stat } = open(from);
  try {
    if (!cloneOpened(fd, stat.dev, to)) await copyOpened(fd, to);
  } finally {
    closeSync(fd);
  }
  chmodSync(to, 0o444);
  return statSync(to).size;
}

function open(path: string): ReturnType<typeof openRegular> {
  try {
    return openRegular(path);
  } catch (error) {
    if (error instanceof CofferError) throw error;
    throw new CofferError("UNREADABLE", `${path} cannot be read: ${reason(error)}`, {
      hint: "coffer verify lists what is damaged",
      cause: error,
    });
  }
}
