import pkg from "../package.json" with { type: "json" };
import { COMMANDS } from "./cli/commands.ts";
import { parseCall } from "./cli/command.ts";
import type { GlobalValues } from "./cli/command.ts";
import { makeIo, writeAll } from "./cli/io.ts";
import { closest } from "./domain/closest.ts";
import { CofferError, EXIT } from "./domain/error.ts";

process.exitCode = await main(process.argv.slice(2));

/** Cuts argv at `--`, finds the command, runs it; the one place where errors become words and exit codes. */
async function main(argv: readonly string[]): Promise<number> {
  const cut = argv.indexOf("--");
  const own = cut === -1 ? argv : argv.slice(0, cut);
  const rest = cut === -1 ? undefined : argv.slice(cut + 1);
  const asJson = own.includes("--json");
  let failsWith: number | undefined;
  try {
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
    const exit = report(error, asJson);
    return failsWith === undefined || exit === EXIT.notExecutable || exit === EXIT.commandNotFound ? exit : failsWith;
  }
}

function findCommand(words: readonly string[]): [name: string, rest: readonly string[]] {
  const [first = "", second = ""] = words;
  const two = `${first} ${second}`;
  if (Object.hasOwn(COMMANDS, two)) return [two, words.slice(2)];
  if (Object.hasOwn(COMMANDS, first)) return [first, words.slice(1)];
  const family = Object.keys(COMMANDS).filter((name) => name.startsWith(`${first} `));
  if (family.length > 0)
    throw new CofferError("USAGE", second === "" || second.startsWith("-") ? `coffer ${first} needs one more word` : `unknown command “${two}”`, { hint: `it is one of: ${family.join(", ")}` });
  const near = closest(first, Object.keys(COMMANDS));
  if (first.startsWith("-")) throw new CofferError("USAGE", `unknown flag ${first}`, { hint: "the command comes first: coffer COMMAND --flags; see coffer --help" });
  throw new CofferError("USAGE", `unknown command “${first}”`, { hint: near ? `did you mean coffer ${near}?` : "coffer --help lists them all" });
}

function report(error: unknown, asJson: boolean): number {
  if (error instanceof CofferError) {
    const { code, message, hint, candidates } = error;
    if (asJson) writeAll(2, `${JSON.stringify({ schema: "coffer.error/1", code, message, hint, candidates, exit: error.exit })}\n`);
    else {
      writeAll(2, `coffer: error: ${message}\n`);
      for (const candidate of candidates) writeAll(2, `  ${candidate}\n`);
      if (hint) writeAll(2, `  hint: ${hint}\n`);
    }
    return error.exit;
  }
  writeAll(2, `coffer: internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  writeAll(2, "  This is a bug in coffer; nothing that was stored is lost. Please report it with the lines above.\n");
  return EXIT.failed;
}
