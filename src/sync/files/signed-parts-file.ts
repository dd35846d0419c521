import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import * as v from "valibot";
import { SignedPartShape } from "../../mlflow/artifacts/proxied-parts.ts";
import type { SignedPart } from "../../mlflow/artifacts/proxied-parts.ts";
import type { Store } from "../../store/store.ts";

/**
 * The signed addresses of an upload that was begun through a server, so that the next process can go on with it: MLflow signs only once, and whoever has
 * them may write that one object for an hour. They are kept in a file for this user alone, never in the database, which is copied and sent around. It goes
 * with its upload; without it the upload is begun anew.
 */
const Kept = v.object({ upload: v.string(), signed: v.array(SignedPartShape) });

/** Keeps what it can: a disk that takes no file costs no more than a resumed upload. `upload`: the upload's id, `seq` that of its row. */
export function keepSigned(store: Store, seq: number, upload: string, signed: readonly SignedPart[]): void {
  const path = pathOf(store, seq);
  try {
    rmSync(path, { force: true });
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, JSON.stringify({ upload, signed }), { mode: 0o600, flag: "wx" });
  } catch {
    rmSync(path, { force: true });
  }
}

/** undefined where there is none, or that of another upload. */
export function keptSigned(store: Store, seq: number, upload: string): SignedPart[] | undefined {
  try {
    const kept = v.parse(Kept, JSON.parse(readFileSync(pathOf(store, seq), "utf8")));
    return kept.upload === upload ? kept.signed : undefined;
  } catch {
    return undefined;
  }
}

export function dropSigned(store: Store, seq: number): void {
  rmSync(pathOf(store, seq), { force: true });
}

/** Under `tmp/`, where gc finds what nobody came back for. */
function pathOf(store: Store, seq: number): string {
  return store.path("tmp", `upload-${seq}.json`);
}
