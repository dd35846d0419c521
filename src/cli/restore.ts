import * as artifacts from "../db/records/artifacts.ts";
import type { ArtifactRow } from "../db/records/artifacts.ts";
import { artifactRef } from "../domain/artifact-ref.ts";
import { countOf } from "../domain/quantity.ts";
import type { Whole } from "../registry/marks.ts";
import { restore } from "../registry/marks.ts";
import type { Store } from "../store/store.ts";
import { command } from "./command.ts";
import { countWords, WHOLE_FLAGS, WHOLE_POSITIONAL, wholeOf } from "./whole.ts";

export default command(
  {
    positionals: [WHOLE_POSITIONAL],
    flags: WHOLE_FLAGS,
    about:
      "Brings back what rm, or a failed run, took out of sight. Of a run what went with it, of a pipeline what its newest rm took. What gc has deleted since is named.",
    examples: [["coffer restore 0192f", "a run and what it made are in sight again"]],
    exits: { "4": "there is no such run or artifact, or its bytes are gone" },
  },
  async ({ flags, positionals, io }) => {
    using store = await io.openStore({ make: false });
    const { what, id, called } = wholeOf(store, positionals[0], flags, "kept");
    const back = restore(store, what);
    const gone = tombstones(store, what);
    io.print(
      {
        schema: "coffer.restore/1",
        id,
        artifacts: back.artifacts.map((row) => ({ id: row.id, version: row.version })),
        runs: back.runs.map((run) => run.id),
        gone: gone.map((row) => ({ id: row.id, version: row.version })),
      },
      () => "",
    );
    io.say.info(`${called} is back (${countWords(back)})`);
    if (gone.length > 0) io.say.warn(`${goneWords(gone)} cannot come back: gc has deleted the bytes`);
  },
);

/** What gc has deleted of a run or a pipeline. */
function tombstones(store: Store, what: Whole): ArtifactRow[] {
  if (what.kind === "artifact") return [];
  const of =
    what.kind === "run" ? { run: what.run.seq } : { pipeline: what.pipeline, ...(what.dataset !== undefined && { dataset: what.dataset }) };
  return artifacts.list(store.db, { ...of, states: ["deleted"] });
}

const NAMED = 5;

function goneWords(gone: readonly ArtifactRow[]): string {
  const more = gone.length > NAMED ? `, and ${gone.length - NAMED} more` : "";
  return `${countOf(gone.length, "artifact")} (${gone.slice(0, NAMED).map(artifactRef).join(", ")}${more})`;
}
