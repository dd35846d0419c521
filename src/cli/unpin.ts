import { artifactRef } from "../domain/artifact-ref.ts";
import { unpin } from "../registry/marks.ts";
import { resolveArtifact } from "../registry/resolve.ts";
import { command } from "./command.ts";

export default command(
  {
    positionals: [{ name: "REF", description: "a pinned artifact", required: true }],
    flags: {},
    examples: [["coffer unpin churn-model@v3", "the rules of gc count for it again"]],
    exits: { "4": "no such artifact, or it is not pinned" },
  },
  async ({ positionals, io }) => {
    using store = await io.openStore({ make: false });
    const { artifact } = resolveArtifact(store, positionals[0] as string, "kept");
    unpin(store, artifact);
    io.print({ schema: "coffer.pin/1", id: artifact.id, version: artifact.version, pinned: false }, () => "");
    io.say.info(`${artifactRef(artifact)} is no longer pinned`);
  },
);
