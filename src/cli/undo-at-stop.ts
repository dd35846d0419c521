import * as leases from "../db/bytes/leases.ts";
import { limitWaits } from "../db/wait/patience.ts";
import { EXIT } from "../domain/error.ts";
import { self } from "../domain/process-identity.ts";
import { undoUnfinished } from "../domain/unfinished.ts";
import { abandonLease } from "../store/lease.ts";
import type { Store } from "../store/store.ts";
import type { Io } from "./io.ts";

/** For work that is done wholly or not at all: until it is disposed of, SIGINT and SIGTERM end the process at once, and what is half done goes first, with what is held in the store. */
export function undoAtStop(io: Io, store: Store): Disposable {
  const undo = (exit: number) => (): void => {
    undoUnfinished();
    if (!store.readOnly) putAway(store);
    io.say.warn("interrupted; nothing of it was kept: run it again");
    process.exit(exit);
  };
  const heard = [
    ["SIGINT", undo(EXIT.interrupted)],
    ["SIGTERM", undo(EXIT.terminated)],
  ] as const;
  for (const [name, listener] of heard) process.on(name, listener);
  return {
    [Symbol.dispose]() {
      for (const [name, listener] of heard) process.off(name, listener);
    },
  };
}

/** Where the database is busy its leases are freed by the next command, since this process is dead then. Closing it takes back the reserve of a full disk. */
function putAway(store: Store): void {
  dropOwnLeases(store);
  try {
    store[Symbol.dispose]();
  } catch {
    // somebody still reads; what is left undone is said by nobody, and done by the next command
  }
}

function dropOwnLeases(store: Store): void {
  limitWaits(store.db, 0);
  const me = JSON.stringify(self());
  for (const lease of leases.all(store.db)) if (lease.wrapper === me && lease.kind !== "run") abandonLease(store, lease);
}
