import { CofferError, EXIT } from "../domain/error.ts";
import { formatBytes } from "../domain/quantity.ts";
import { verify } from "../store/verify.ts";
import { command } from "./command.ts";

export default command(
  {
    flags: { sample: { type: "string", valueHint: "N%", description: "read only a random part of the blobs" } },
    about: "Reads every byte again and holds it against its digest, and rows against files. Changes nothing.",
    examples: [
      ["coffer verify", "all of it"],
      ["coffer verify --sample 1%", "a look"],
    ],
    exits: { "1": "something is damaged or missing; each is listed" },
  },
  async ({ flags, io }) => {
    const share = flags.sample === undefined ? 1 : Number(flags.sample.replace(/%$/, "")) / 100;
    if (!(share > 0 && share <= 1)) throw new CofferError("USAGE", `not a share: “${flags.sample}”`, { hint: "write --sample 1%" });
    using store = await io.openStore({ make: false });
    const found = await verify(store, { share, random: Math.random });
    io.print({ schema: "coffer.verify/1", ...found }, ({ damage }) => damage.map((one) => `${one.what}  ${one.path}  ${one.digest}  ${one.detail}\n`).join(""));
    if (found.damage.length > 0) io.say.error(`${found.damage.length} damaged of ${found.blobs} blobs (${formatBytes(found.bytes)} read)`);
    else io.say.info(`${found.blobs} blobs, ${formatBytes(found.bytes)}: all whole`);
    return found.damage.length > 0 ? EXIT.failed : EXIT.done;
  },
);
