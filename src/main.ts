import pkg from "../package.json" with { type: "json" };
import { COMMANDS } from "./cli/commands.ts";
import { parseCall } from "./cli/command.ts";
import type { GlobalValues } from "./cli/command.ts";
import { makeIo, writeAll } from "./cli/io.ts";
import { meantCommands } from "./cli/meant-commands.ts";
import { printable, printableLines } from "./cli/table.ts";
import { busyDatabase, isBusy } from "./db/wait/busy-database.ts";
import { damagedDatabase } from "./domain/damaged-database.ts";
import { troubleAdvice } from "./domain/disk-trouble.ts";
import { CofferError, EXIT, errno, isFull, isMalformed, reason } from "./domain/error.ts";
import { SYNC_POINTS_VARIABLE } from "./domain/sync-point.ts";
import { READER_WORD } from "./run/ahead/reader-word.ts";

const BUG = "This is a bug in coffer; nothing that was stored is lost. Please report it with these lines.";

process.exitCode = await main(process.argv.slice(2));

/** Cuts argv at `--`, finds the command, runs it; the one place where errors become words and exit codes. */
async function main(argv: readonly string[]): Promise<number> {
  const cut = argv.indexOf("--");
  const own = cut === -1 ? argv : argv.slice(0, cut);
  const rest = cut === -1 ? undefined : argv.slice(cut + 1);
  const asJson = own.includes("--json");
  let failsWith: number | undefined;
  try {
    const points = process.env[SYNC_POINTS_VARIABLE];
    if (points) (await import("./domain/sync-points.ts")).armSyncPoints(points);
    if (own[0] === READER_WORD) return await (await import("./run/ahead/serve-ahead.ts")).serveAhead();
    if (own[0] === "--version") {
      writeAll(1, `coffer ${pkg.version}\n`);
      return EXIT.done;
    }
    if (own.length === 0 || own[0] === "--help" || own[0] === "-h" || own[0] === "help") {
      const { rootHelp } = await import("./cli/help.ts");
      writeAll(own.length === 0 ? 2 : 1, rootHelp(pkg.version));
      return own.length === 0 ? EXIT.usage : EXIT.done;
    }
    if (own.length === 2 && (own[1] === "--help" || own[1] === "-h")) {
      const { familyHelp } = await import("./cli/help.ts");
      const help = familyHelp(own[0] as string);
      if (help !== undefined) {
        writeAll(1, help);
        return EXIT.done;
      }
    }
    const [name, words] = findCommand(own);
    const { spec, handle } = (await (COMMANDS[name] as (typeof COMMANDS)[string]).load()).default;
    failsWith = spec.failsWith;
    // behind “--” there are no flags: what looks like one is a word
    const { flags, globals, positionals } = parseCall(spec, rest && !spec.takesRest ? [...words, "--", ...rest] : words);
    if (globals.help) {
      const { commandHelp } = await import("./cli/help.ts");
      writeAll(1, await commandHelp(name, spec));
      return EXIT.done;
    }
    return (await handle({ flags, positionals, rest, io: makeIo(globals as GlobalValues) })) ?? EXIT.done;
  } catch (error) {
    return report(asCofferError(error), asJson, failsWith);
  }
}

function findCommand(words: readonly string[]): [name: string, rest: readonly string[]] {
  const [first = "", second = ""] = words;
  const two = `${first} ${second}`;
  if (Object.hasOwn(COMMANDS, two)) return [two, words.slice(2)];
  if (Object.hasOwn(COMMANDS, first)) return [first, words.slice(1)];
  const family = Object.keys(COMMANDS).filter((name) => name.startsWith(`${first} `));
  if (family.length > 0)
    throw new CofferError(
      "USAGE",
      second === "" || second.startsWith("-") ? `coffer ${first} needs one more word` : `unknown command “${two}”`,
      { hint: `it is one of: ${family.join(", ")}` },
    );
  if (first.startsWith("-"))
    throw new CofferError("USAGE", `unknown flag ${first}`, { hint: "the command comes first: coffer COMMAND --flags; see coffer --help" });
  const near = meantCommands(first);
  throw new CofferError("USAGE", `unknown command “${first}”`, {
    hint: near.length > 0 ? `did you mean ${near.map((name) => `coffer ${name}`).join(" or ")}?` : "coffer --help lists them all",
  });
}

/**
 * Pages of the database may be malformed anywhere, so that any query may be the first to meet them; and with a rollback journal any query may find it busy.
 * @returns what is a bug as it is
 */
function asCofferError(error: unknown): unknown {
  if (error instanceof SuppressedError) {
    // the second came while things were put away after the first; told is the one that says what to do
    const [first, second] = [asCofferError(error.suppressed), asCofferError(error.error)];
    return first instanceof CofferError || !(second instanceof CofferError) ? first : second;
  }
  if (isFull(error) && !(error instanceof CofferError))
    return new CofferError("STORE_UNUSABLE", `a disk is full: ${reason(error)}`, { hint: "make room on it, then try again", cause: error });
  if (isFailing(error))
    return new CofferError("STORE_UNUSABLE", `a disk reports errors: ${reason(error)}`, {
      hint: `${troubleAdvice("failing")}, then try again`,
      cause: error,
    });
  if (isBusy(error)) return busyDatabase(error, { waited: 0 });
  return isMalformed(error) ? damagedDatabase(error) : error;
}

/** Whether a disk did not do what it was asked to. */
function isFailing(error: unknown): boolean {
  const code = errno(error);
  return !(error instanceof CofferError) && (code === "EIO" || (code?.startsWith("SQLITE_IOERR") ?? false));
}

/** Says it, and returns the exit code: `failsWith` where a command has one of its own for its errors. */
function report(error: unknown, asJson: boolean, failsWith: number | undefined): number {
  const own = error instanceof CofferError ? error.exit : EXIT.failed;
  const exit = failsWith === undefined || own === EXIT.notExecutable || own === EXIT.commandNotFound ? own : failsWith;
  if (asJson) {
    const told =
      error instanceof CofferError ? error : { code: "INTERNAL", message: `internal error: ${trace(error)}`, hint: BUG, candidates: [] };
    const { code, message, hint, candidates } = told;
    writeAll(2, `${JSON.stringify({ schema: "coffer.error/1", code, message, hint, candidates, exit })}\n`);
  } else if (error instanceof CofferError) {
    // names in them come from files that anybody may have written
    writeAll(2, `coffer: error: ${printableLines(error.message)}\n`);
    for (const candidate of error.candidates) writeAll(2, `  ${printable(candidate)}\n`);
    if (error.hint) writeAll(2, `  hint: ${printableLines(error.hint)}\n`);
  } else writeAll(2, `coffer: internal error: ${printableLines(trace(error))}\n  ${BUG}\n`);
  return exit;
}

function trace(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
