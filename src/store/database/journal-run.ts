import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import * as journal from "../../db/records/journal.ts";
import type { RunRow } from "../../db/records/runs.ts";
import type { Store } from "../store.ts";
import { aboutBlock, artifactBlock, laterBlock } from "./manifest-blocks.ts";

/** Artifacts in one line: whoever reads it has all of it in memory. */
const AT_ONCE = 256;

/**
 * Says in the journal what was logged to a run that goes on. `about`: of the run itself nothing, or what it is, or all that only its manifest would tell, with which
 * what earlier lines said of it is void. In the transaction that records it.
 */
export function journalRun(store: Store, run: RunRow, logged: readonly ArtifactRow[], about: "nothing" | "run" | "all"): void {
  const bySeq = new Map(logged.map((row) => [row.seq, row]));
  const uidOf = (seq: number): string => bySeq.get(seq)?.uid ?? artifacts.bySeq(store.db, seq)?.uid ?? "";
  for (let first = 0; first === 0 || first < logged.length; first += AT_ONCE) {
    const told = first > 0 ? "nothing" : about;
    journal.append(store.db, {
      at: store.now(),
      did: "log",
      run: run.id,
      ...(told === "all" && { whole: true, about: { ...aboutBlock(store, run), ...laterBlock(store, run) } }),
      ...(told === "run" && { about: aboutBlock(store, run) }),
      artifacts: logged.slice(first, first + AT_ONCE).map((row) => artifactBlock(store, row, uidOf)),
    });
  }
}
