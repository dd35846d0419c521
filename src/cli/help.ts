import { renderUsage } from "citty";
import type { ArgsDef } from "citty";
import { GLOBAL_FLAGS } from "./command.ts";
import type { CommandSpec, Flags } from "./command.ts";
import { COMMANDS } from "./commands.ts";

const EXITS = { "0": "done", "1": "failed", "2": "wrong usage or configuration" };

/** `coffer --help`. */
export function rootHelp(version: string): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  return [
    `coffer ${version}: keeps what machine-learning runs produce`,
    "",
    "  coffer COMMAND [flags]        coffer COMMAND --help shows flags, examples and exit codes",
    "",
    ...Object.entries(COMMANDS).map(([name, entry]) => `  ${name.padEnd(width)}  ${entry.summary}`),
    "",
    "  Every command takes --root DIR, --config FILE, --json, --quiet, --verbose.",
    "  Data goes to stdout, words to stderr.",
    "",
  ].join("\n");
}

/** `coffer config --help`: a word that begins several commands and is none; undefined for any other. */
export function familyHelp(word: string): string | undefined {
  const family = Object.entries(COMMANDS).filter(([name]) => name.startsWith(`${word} `));
  if (family.length === 0 || COMMANDS[word]) return undefined;
  const width = Math.max(...family.map(([name]) => name.length));
  return [
    ...family.map(([name, entry]) => `  coffer ${name.padEnd(width)}  ${entry.summary}`),
    "",
    "  Each has a --help of its own.",
    "",
  ].join("\n");
}

/** `coffer COMMAND --help`: purpose, flags, examples, exit codes. */
export async function commandHelp(name: string, spec: CommandSpec): Promise<string> {
  const usage = await renderUsage({
    meta: { name: `coffer ${name}`, description: COMMANDS[name]?.summary ?? "" },
    args: cittyArgs(spec),
  });
  // citty knows nothing of what stands behind --
  const shown = spec.takesRest ? usage.replace("[OPTIONS]", `[OPTIONS] -- ${spec.takesRest.name}`) : usage;
  const width = Math.max(...spec.examples.map(([line]) => line.length), 0);
  const exits = spec.failsWith === undefined ? { ...EXITS, ...spec.exits } : { ...spec.exits };
  return [
    (process.stdout.isTTY && !process.env["NO_COLOR"] ? shown : Bun.stripANSI(shown)).trimEnd(),
    ...(spec.takesRest ? ["", `  -- ${spec.takesRest.name}    ${spec.takesRest.description}`] : []),
    ...(spec.about ? ["", spec.about.trim()] : []),
    "",
    "EXAMPLES",
    "",
    ...spec.examples.map(([line, what]) => `  ${line.padEnd(width)}  # ${what}`),
    "",
    "EXIT CODES",
    "",
    ...Object.entries(exits).map(([code, what]) => `  ${code.padEnd(7)}  ${what}`),
    "",
  ].join("\n");
}

function cittyArgs(spec: CommandSpec): ArgsDef {
  const args: ArgsDef = {};
  for (const positional of spec.positionals ?? [])
    args[positional.variadic ? `${positional.name}…` : positional.name] = {
      type: "positional",
      description: positional.description,
      required: positional.required ?? false,
    };
  for (const [name, flag] of Object.entries<Flags[string]>({ ...spec.flags, ...GLOBAL_FLAGS })) {
    const description = flag.multiple ? `${flag.description} (may be repeated)` : flag.description;
    const alias = flag.alias === undefined ? {} : { alias: flag.alias };
    args[name] =
      flag.type === "boolean"
        ? { type: "boolean", description, ...alias }
        : { type: "string", description, valueHint: flag.valueHint ?? flag.options?.join("|") ?? "VALUE", ...alias };
  }
  return args;
}
