import { version } from "../../package.json" with { type: "json" };
import { COMMANDS } from "./commands.ts";
import { parseCall } from "./command.ts";
import type { GlobalValues } from "./command.ts";
import { CofferError, EXIT } from "../domain/error.ts";
import { SYNC_POINTS_VARIABLE } from "../domain/sync-point.ts";
import { READER_WORD } from "../run/ahead/reader/word.ts";
import { writeAll } from "./write-all.ts";

/** Cuts argv at `--`, finds the command, runs it. What it throws becomes words and an exit code here, by `tell-error.ts`. */
export async function callCommand(argv: readonly string[]): Promise<number> {
  const cut = argv.indexOf("--");
  const own = cut === -1 ? argv : argv.slice(0, cut);
  const rest = cut === -1 ? undefined : argv.slice(cut + 1);
  const asJson = own.includes("--json");
  let failsWith: number | undefined;
  try {
    const points = process.env[SYNC_POINTS_VARIABLE];
    if (points) (await import("../domain/sync-points.ts")).armSyncPoints(points);
    if (own[0] === READER_WORD) return await (await import("../run/ahead/reader/serve.ts")).serveReader();
    if (own[0] === "--version") {
      writeAll(1, `coffer ${version}\n`);
      return EXIT.done;
    }
    if (own.length === 0 || own[0] === "--help" || own[0] === "-h" || own[0] === "help") {
      const { rootHelp } = await import("./help.ts");
      writeAll(own.length === 0 ? 2 : 1, rootHelp(version));
      return own.length === 0 ? EXIT.usage : EXIT.done;
    }
    if (own.length === 2 && (own[1] === "--help" || own[1] === "-h")) {
      const { familyHelp } = await import("./help.ts");
      const help = familyHelp(own[0] as string);
      if (help !== undefined) {
        writeAll(1, help);
        return EXIT.done;
      }
    }
    const [name, words] = await findCommand(own);
    const [command, { makeIo }] = await Promise.all([(COMMANDS[name] as (typeof COMMANDS)[string]).load(), import("./io.ts")]);
    const { spec, handle } = command.default;
    failsWith = spec.failsWith;
    // behind “--” there are no flags: what looks like one is a word
    const { flags, globals, positionals } = parseCall(spec, rest && !spec.takesRest ? [...words, "--", ...rest] : words);
    if (globals.help) {
      const { commandHelp } = await import("./help.ts");
      writeAll(1, await commandHelp(name, spec));
      return EXIT.done;
    }
    return (await handle({ flags, positionals, rest, io: makeIo(globals as GlobalValues) })) ?? EXIT.done;
  } catch (error) {
    return (await import("./tell-error.ts")).tellError(error, { asJson, failsWith });
  }
}

async function findCommand(words: readonly string[]): Promise<[name: string, rest: readonly string[]]> {
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
  const { meantCommands } = await import("./meant-commands.ts");
  const near = meantCommands(first);
  throw new CofferError("USAGE", `unknown command “${first}”`, {
    hint: near.length > 0 ? `did you mean ${near.map((name) => `coffer ${name}`).join(" or ")}?` : "coffer --help lists them all",
  });
}
