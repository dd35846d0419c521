import { restore } from "../registry/marks.ts";
import { command } from "./command.ts";
import { countWords, WHOLE_FLAGS, WHOLE_POSITIONAL, wholeOf } from "./whole.ts";

export default command(
  {
    positionals: [WHOLE_POSITIONAL],
    flags: WHOLE_FLAGS,
    about: "Brings back what rm, or a failed run, took out of sight. Of a run what went with it, of a pipeline what its newest rm took.",
    examples: [["coffer restore 0192f", "a run and what it made are in sight again"]],
    exits: { "4": "there is no such run or artifact, or its bytes are gone" },
  },
  async ({ flags, positionals, io }) => {
    using store = await io.openStore({ make: false });
    const { what, id, called } = wholeOf(store, positionals[0], flags, "kept");
    const back = restore(store, what);
    io.print(
      {
        schema: "coffer.restore/1",
        id,
        artifacts: back.artifacts.map((row) => ({ id: row.id, version: row.version })),
        runs: back.runs.map((run) => run.id),
      },
      () => "",
    );
    io.say.info(`${called} is back (${countWords(back)})`);
  },
);
