import { CofferError, EXIT } from "../../domain/error.ts";
import { countOf } from "../../domain/quantity.ts";
import { forgetServer } from "../../sync/pending/forget-server.ts";
import { GLOBAL_FLAGS } from "../command.ts";
import type { Io } from "../io.ts";
import { table } from "../table.ts";

/** Gives up what waits for a server, and lists it. Returns the exit code. @throws CofferError USAGE, NOT_FOUND */
export async function forget(
  io: Io,
  uri: string,
  flags: Readonly<Record<string, unknown>> & { "dry-run": boolean },
  positionals: readonly string[],
): Promise<number> {
  refuseBeside(flags, positionals);
  const options = { dryRun: flags["dry-run"] };
  using store = await io.openStore({ make: false });
  const forgotten = forgetServer(store, uri, options);
  const { target, runs } = forgotten;
  io.print(forgotten, () =>
    table(
      ["RUN", "FILES NOT SENT", "STATE"],
      runs.map(({ run, artifacts, state }) => [run, String(artifacts), state]),
      "",
    ),
  );
  if (options.dryRun) {
    io.say.info("nothing was given up: run it again without --dry-run to do it");
    return EXIT.done;
  }
  const busy = runs.filter(({ state }) => state === "busy").length;
  if (busy > 0) io.say.warn(`${countOf(busy, "run is", "runs are")} being delivered just now and ${busy === 1 ? "stays" : "stay"}`);
  io.say.info(`${countOf(runs.length - busy, "run")} will not be delivered to ${target}; nothing is deleted here`);
  return busy > 0 ? EXIT.partly : EXIT.done;
}

function refuseBeside(flags: Readonly<Record<string, unknown>>, positionals: readonly string[]): void {
  const isGiven = (value: unknown): boolean => (Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false);
  const known = ["forget", "dry-run", ...Object.keys(GLOBAL_FLAGS)];
  const other = Object.keys(flags).find((flag) => !known.includes(flag) && isGiven(flags[flag]));
  if (other === undefined && positionals.length === 0) return;
  throw new CofferError("USAGE", `--forget does not go with ${other === undefined ? "runs" : `--${other}`}`, {
    hint: "it gives up all that waits for one server; --dry-run lists it",
  });
}
