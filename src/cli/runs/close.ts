import * as damage from "../../db/bytes/damage.ts";
import { resolveRun } from "../../registry/resolve.ts";
import { summarizeRun } from "../../registry/describe-run.ts";
import { closeRun } from "../../run/adopt/adopt.ts";
import { command } from "../command.ts";
import { writeManifests } from "../write-manifests.ts";

export default command(
  {
    positionals: [{ name: "RUN", description: "a run that does not run any more", required: true }],
    flags: { "assume-dead": { type: "boolean", description: "you know that it is dead, although that cannot be seen from here" } },
    about:
      "Runs whose wrapper died on this machine are closed by the next command by themselves. This is for those that ran elsewhere: on another machine, in another container. If one lives after all, its workspace stays when its command ends, and nothing more of it is recorded.",
    examples: [["coffer runs close 0192f --assume-dead", "the machine that it ran on is gone"]],
    exits: { "4": "there is no such run", "5": "it is alive, or may be" },
  },
  async ({ flags, positionals, io }) => {
    using store = await io.openStore({ make: false });
    const run = await closeRun(store, resolveRun(store, positionals[0] as string), flags["assume-dead"]);
    await writeManifests(store);
    io.print({ schema: "coffer.runs/1", runs: [summarizeRun(store, run, damage.runs(store.db))] }, () => "");
    io.say.info(`run ${run.id} is closed: ${run.state}`);
  },
);
