import { restore } from "../registry/marks.ts";
import { resolve } from "../registry/resolve.ts";
import { command } from "./command.ts";

export default command(
  {
    positionals: [{ name: "REF", description: "a run or an artifact that rm, or a failed run, took out of sight", required: true }],
    flags: {},
    examples: [["coffer restore 0192f", "a run and what it made are in sight again"]],
    exits: { "4": "nothing is called so, or its bytes are gone" },
  },
  async ({ positionals, io }) => {
    using store = await io.openStore({ make: false });
    const found = resolve(store, positionals[0] as string, "kept");
    const back = restore(store, found);
    const id = found.kind === "run" ? found.run.id : found.artifact.id;
    io.print({ schema: "coffer.restore/1", id, artifacts: back.map((row) => ({ id: row.id, version: row.version })) }, () => "");
    io.say.info(`${id} is back (${back.length === 1 ? "1 artifact" : `${back.length} artifacts`})`);
  },
);
