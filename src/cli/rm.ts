import { formatBytes } from "../domain/quantity.ts";
import { remove } from "../registry/marks.ts";
import { command } from "./command.ts";
import { countWords, WHOLE_FLAGS, WHOLE_POSITIONAL, wholeOf } from "./whole.ts";

export default command(
  {
    positionals: [WHOLE_POSITIONAL],
    flags: WHOLE_FLAGS,
    about: `Takes it out of sight. No byte is deleted now: gc takes them after its grace; until then coffer restore brings everything back.

Bytes that others use stay, and so does what something that stays was made from.`,
    examples: [
      ["coffer rm churn-model@v1", "one version"],
      ["coffer rm 0192f", "a run and what it made"],
      ["coffer rm --pipeline 0001_pls", "all of a pipeline: its runs, and what was made for it"],
    ],
    exits: {
      "4": "there is no such run or artifact",
      "5": "something of it is pinned or has an alias, or a run goes on: nothing was changed",
    },
  },
  async ({ flags, positionals, io }) => {
    using store = await io.openStore({ make: false, access: "make-room" });
    const { what, id, called, again } = wholeOf(store, positionals[0], flags, "live");
    const gone = remove(store, what);
    io.print(
      {
        schema: "coffer.rm/1",
        id,
        artifacts: gone.artifacts.map((row) => ({ id: row.id, version: row.version, size: row.size })),
        runs: gone.runs.map((run) => run.id),
      },
      () => "",
    );
    const bytes = gone.artifacts.reduce((sum, row) => sum + row.size, 0);
    io.say.info(
      `${called} is out of sight (${countWords(gone)}, ${formatBytes(bytes)}); coffer restore ${again} brings it back until gc takes it`,
    );
  },
);
