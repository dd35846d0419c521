import { formatBytes } from "../domain/quantity.ts";
import { remove } from "../registry/marks.ts";
import { resolve } from "../registry/resolve.ts";
import { command } from "./command.ts";

export default command(
  {
    positionals: [{ name: "REF", description: "a run (with all it made) or an artifact", required: true }],
    flags: {},
    about:
      "Takes it out of sight. No byte is deleted now: gc takes them after its grace; until then coffer restore brings everything back.",
    examples: [
      ["coffer rm churn-model@v1", "one version"],
      ["coffer rm 0192f", "a run and what it made"],
    ],
    exits: { "4": "nothing is called so", "5": "it is pinned, or the run goes on" },
  },
  async ({ positionals, io }) => {
    using store = await io.openStore({ make: false });
    const found = resolve(store, positionals[0] as string);
    const gone = remove(store, found);
    const id = found.kind === "run" ? found.run.id : found.artifact.id;
    io.print({ schema: "coffer.rm/1", id, artifacts: gone.map((row) => ({ id: row.id, version: row.version, size: row.size })) }, () => "");
    io.say.info(
      `${id} is out of sight (${gone.length === 1 ? "1 artifact" : `${gone.length} artifacts`}, ${formatBytes(gone.reduce((sum, row) => sum + row.size, 0))}); coffer restore ${positionals[0]} brings it back until gc takes it`,
    );
  },
);
