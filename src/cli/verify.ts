import { join } from "node:path";
import { CofferError, EXIT, isMalformed, reason } from "../domain/error.ts";
import { countOf, formatBytes } from "../domain/quantity.ts";
import { databaseDamage, verify } from "../store/verify.ts";
import type { Verified } from "../store/verify.ts";
import { command } from "./command.ts";
import type { Io } from "./io.ts";
import { printable } from "./table.ts";

export default command(
  {
    flags: { sample: { type: "string", valueHint: "N%", description: "read only a random part of the blobs" } },
    about:
      "Reads every byte again and holds it against its digest, and rows against files. Bytes that an import left elsewhere, and that nobody has read, count as read from then on; nothing else changes.",
    examples: [
      ["coffer verify", "all of it"],
      ["coffer verify --sample 1%", "a look"],
    ],
    exits: { "1": "something is damaged or missing; each is listed" },
  },
  async ({ flags, io }) => {
    const share = flags.sample === undefined ? 1 : Number(flags.sample.replace(/%$/, "")) / 100;
    if (!(share > 0 && share <= 1)) throw new CofferError("USAGE", `not a share: “${flags.sample}”`, { hint: "write --sample 1%" });
    const found = await look(io, share);
    io.print({ schema: "coffer.verify/1", ...found }, ({ damage }) =>
      damage.map((one) => `${printable(`${one.what}  ${one.path}  ${one.digest}  ${one.detail}`)}\n`).join(""),
    );
    if (found.damage.length > 0)
      io.say.error(`${found.damage.length} damaged of ${countOf(found.blobs, "blob")} (${formatBytes(found.bytes)} read)`);
    else io.say.info(`${countOf(found.blobs, "blob")}, ${formatBytes(found.bytes)}: all whole`);
    if (found.unverified > 0) io.say.info(`${found.unverified} of them came with an import and had not been read before`);
    return found.damage.length > 0 ? EXIT.failed : EXIT.done;
  },
);

/** A database that is too damaged to be opened is what this command is to find. Runs of dead processes are left alone: it changes nothing. */
async function look(io: Io, share: number): Promise<Verified> {
  try {
    using store = await io.openStore({ make: false, adopt: false });
    return await verify(store, { share, random: Math.random });
  } catch (error) {
    if (!isMalformed(error) && !isMalformed((error as Error).cause)) throw error;
    const { roots } = await io.settings();
    return { blobs: 0, bytes: 0, unverified: 0, damage: [databaseDamage(join(roots.store, "coffer.db"), reason(error))] };
  }
}
