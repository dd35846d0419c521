import { CofferError, errno } from "../../domain/error.ts";
import { formatDuration } from "../../domain/quantity.ts";

/** Whether SQLite gave up because others use the database. PROTOCOL: too many of them opened its log at one moment. */
export function isBusy(error: unknown): boolean {
  const code = errno(error) ?? "";
  return code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED") || code === "SQLITE_PROTOCOL";
}

/** Others use the database. `waited`: milliseconds, as far as it is known; `who`: who keeps it busy, and what to do about that. @returns STORE_BUSY */
export function busyDatabase(cause: unknown, given: { waited: number; who?: { words: string; todo: string | undefined } }): CofferError {
  const { waited, who = { words: "another process is using it", todo: undefined } } = given;
  const long = waited < 1000 ? "" : ` after ${formatDuration(Math.floor(waited / 1000) * 1000)}`;
  return new CofferError("STORE_BUSY", `the database of this store is still busy${long}: ${who.words}`, {
    hint: `${who.todo ?? "see in your process list what is at work in this store, and wait until it is done"}; then try again. Nothing of this step was kept. artifact_store.busy_timeout says how long to wait; coffer doctor tries whether locks work here`,
    cause,
  });
}
