import { artifactRef } from "../domain/artifact-ref.ts";
import { knownSecrets } from "../domain/redact.ts";
import { pin } from "../registry/marks.ts";
import { resolveArtifact } from "../registry/resolve.ts";
import { command } from "./command.ts";

export default command(
  {
    positionals: [{ name: "REF", description: "an artifact", required: true }],
    flags: { note: { type: "string", valueHint: "TEXT", description: "why it is kept" } },
    about: "Nothing prunes what is pinned, nor what it was made from.",
    examples: [["coffer pin churn-model@v3 --note 'in production'", "keep it whatever the rules say"]],
    exits: { "4": "no such artifact" },
  },
  async ({ flags, positionals, io }) => {
    using store = await io.openStore({ make: false });
    const { artifact } = resolveArtifact(store, positionals[0] as string);
    pin(store, artifact, flags.note ?? null, knownSecrets(io.env));
    io.print({ schema: "coffer.pin/1", id: artifact.id, version: artifact.version, pinned: true }, () => "");
    io.say.info(`${artifactRef(artifact)} is pinned`);
  },
);
