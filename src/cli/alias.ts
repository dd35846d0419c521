import { CofferError } from "../domain/error.ts";
import { removeAlias, setAlias } from "../registry/marks.ts";
import { resolveArtifact } from "../registry/resolve.ts";
import { command } from "./command.ts";

export default command(
  {
    positionals: [
      { name: "REF", description: "an artifact with a name; with --remove: NAME@ALIAS", required: true },
      { name: "ALIAS", description: "the alias, such as best" },
    ],
    flags: { remove: { type: "boolean", description: "take the alias away" } },
    about:
      "An alias points at one version of a name and protects it from gc. It is moved by setting it again. latest, v1, v2, … are reserved.",
    examples: [
      ["coffer alias churn-model@v3 best", "churn-model@best is version 3"],
      ["coffer alias churn-model@best --remove", "take it away"],
    ],
    exits: { "4": "no such artifact or alias" },
  },
  async ({ flags, positionals, io }) => {
    const [ref = "", alias] = positionals;
    using store = await io.openStore({ make: false });
    if (flags.remove) {
      const cut = ref.lastIndexOf("@");
      const [name, which] = alias === undefined && cut > 0 ? [ref.slice(0, cut), ref.slice(cut + 1)] : [ref.replace(/@.*$/, ""), alias];
      if (which === undefined) throw new CofferError("USAGE", "which alias?", { hint: "write coffer alias NAME@ALIAS --remove" });
      removeAlias(store, name, which);
      io.print({ schema: "coffer.alias/1", name, alias: which, version: null }, () => "");
      io.say.info(`${name}@${which} is no more`);
      return;
    }
    if (alias === undefined) throw new CofferError("USAGE", "ALIAS is missing", { hint: "write coffer alias REF ALIAS" });
    const { artifact } = resolveArtifact(store, ref);
    setAlias(store, artifact, alias);
    io.print({ schema: "coffer.alias/1", name: artifact.name, alias, version: artifact.version }, () => "");
    io.say.info(`${artifact.name}@${alias} is v${artifact.version}`);
  },
);
