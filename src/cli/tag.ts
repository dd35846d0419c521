import { artifactRef } from "../domain/artifact-ref.ts";
import { parseAssignment } from "../domain/assignment.ts";
import { CofferError } from "../domain/error.ts";
import { knownSecrets } from "../domain/redact.ts";
import { retag } from "../registry/marks.ts";
import { resolve } from "../registry/resolve.ts";
import { command } from "./command.ts";
import { writeManifests } from "./write-manifests.ts";

export default command(
  {
    positionals: [
      { name: "REF", description: "a run or an artifact", required: true },
      { name: "KEY=VALUE", description: "tags to set", variadic: true },
    ],
    flags: { remove: { type: "string", valueHint: "KEY", multiple: true, description: "take this tag away" } },
    examples: [
      ["coffer tag churn-model@v3 reviewed=yes team=growth", "two tags"],
      ["coffer tag 0192f --remove draft", "one less, on a run"],
    ],
    exits: { "4": "there is no such run or artifact, or it has no such tag" },
  },
  async ({ flags, positionals, io }) => {
    const [ref = "", ...words] = positionals;
    const set = words.map((word) => parseAssignment("tag", word));
    if (set.length === 0 && flags.remove.length === 0)
      throw new CofferError("USAGE", "no tag was given", { hint: "write coffer tag REF KEY=VALUE, or --remove KEY" });
    using store = await io.openStore({ make: false });
    const found = resolve(store, ref);
    retag(store, found, set, flags.remove, knownSecrets(io.env));
    await writeManifests(store);
    const id = found.kind === "run" ? found.run.id : found.artifact.id;
    io.print({ schema: "coffer.tag/1", id, set: Object.fromEntries(set), removed: flags.remove }, () => "");
    const called = found.kind === "run" ? id : artifactRef(found.artifact);
    io.say.info(
      `${called}: ${[...set.map(([key, value]) => `${key}=${value}`), ...flags.remove.map((key) => `without ${key}`)].join(", ")}`,
    );
  },
);
