import { configJsonSchema } from "../../config/json-schema.ts";
import { command } from "../command.ts";

export default command(
  {
    flags: {},
    about:
      "JSON Schema of coffer.yaml, for editors that complete and check it. With --json it is the json_schema of a document like those of the other commands.",
    examples: [
      ["coffer config schema > coffer.schema.json", "keep it beside coffer.yaml"],
      ["# yaml-language-server: $schema=coffer.schema.json", "as the first line of coffer.yaml, this makes an editor use it"],
    ],
  },
  async ({ io }) => {
    io.print({ schema: "coffer.config-schema/1", json_schema: configJsonSchema() }, ({ json_schema }) =>
      JSON.stringify(json_schema, null, 2),
    );
  },
);
