import { closest } from "../domain/closest.ts";
import { CofferError } from "../domain/error.ts";
import type { Io } from "./io.ts";
import { splitWords } from "./split-words.ts";

/** One flag of a command. `multiple` flags keep every value. */
export type Flag = {
  type: "boolean" | "string";
  description: string;
  valueHint?: string;
  /** One letter. */
  alias?: string;
  multiple?: true;
  /** The only values that are accepted. Without a `valueHint` help shows them in its place; with one, the description does. */
  options?: readonly string[];
};

export interface Positional {
  name: string;
  description: string;
  required?: boolean;
  /** Takes all that follow; the last positional only. */
  variadic?: boolean;
}

export type Flags = Record<string, Flag>;

type ValueOf<F extends Flag> = F extends { multiple: true }
  ? string[]
  : F["type"] extends "boolean"
    ? boolean
    : F extends { options: readonly (infer O)[] }
      ? O | undefined
      : string | undefined;

export type Values<F extends Flags> = { [K in keyof F]: ValueOf<F[K]> };

export interface Call<F extends Flags> {
  flags: Values<F>;
  positionals: string[];
  /** What stood behind `--`; undefined where there was none. */
  rest: string[] | undefined;
  io: Io;
}

export interface CommandSpec<F extends Flags = Flags> {
  flags: F;
  positionals?: readonly Positional[];
  /** `COMMAND …` behind `--` is taken. */
  takesRest?: { name: string; description: string };
  /** What it is for, beyond the summary line. */
  about?: string;
  examples: readonly (readonly [commandLine: string, what: string])[];
  /** The exit code of its own errors, where those of the others would be taken for its child's. 126 and 127 keep their meaning. */
  failsWith?: number;
  /** Exit codes beyond 0, 1 and 2. */
  exits?: Readonly<Record<string, string>>;
}

/** A command whose flags' types are known to itself alone: `parseCall` made them from its own spec. */
export interface Command {
  spec: CommandSpec;
  /** Resolves with an exit code; nothing means 0. */
  handle(call: Call<Flags>): Promise<number | undefined>;
}

export function command<const F extends Flags>(
  spec: CommandSpec<F>,
  handle: (call: Call<F>) => Promise<number | undefined> | Promise<void>,
): Command {
  return { spec, handle: handle as unknown as Command["handle"] };
}

/** The flags that every command takes. */
export const GLOBAL_FLAGS = {
  root: { type: "string", valueHint: "DIR", description: "the store's root (COFFER_ROOT; default ./artifacts)" },
  config: { type: "string", valueHint: "FILE", description: "the configuration file, instead of the one found by walking up" },
  json: { type: "boolean", description: "print one JSON document on stdout" },
  quiet: { type: "boolean", description: "print errors and data only" },
  verbose: { type: "boolean", description: "say more" },
  help: { type: "boolean", alias: "h", description: "show this help" },
} as const satisfies Flags;

export type GlobalValues = Values<typeof GLOBAL_FLAGS>;

/**
 * Reads a command's words strictly.
 * @throws CofferError USAGE for an unknown flag (with the one that was meant), a missing value, a wrong option, too few or too many words
 */
export function parseCall<F extends Flags>(
  spec: CommandSpec<F>,
  argv: readonly string[],
): { flags: Values<F>; globals: GlobalValues; positionals: string[] } {
  const all: Flags = { ...spec.flags, ...GLOBAL_FLAGS };
  const flagOf = (name: string): Flag | undefined => (Object.hasOwn(all, name) ? all[name] : undefined);
  const ofLetter = (letter: string): string | undefined => Object.keys(all).find((name) => all[name]?.alias === letter);
  const values: Record<string, string | boolean | string[]> = {};
  for (const [name, flag] of Object.entries(all))
    if (flag.multiple) values[name] = [];
    else if (flag.type === "boolean") values[name] = false;
  const positionals: string[] = [];
  for (const word of splitWords(argv, { ofLetter, takesValue: (name) => flagOf(name)?.type === "string" })) {
    if (word.kind === "word") {
      positionals.push(word.value);
      continue;
    }
    const { name, raw, value, isGlued } = word;
    const flag = flagOf(name);
    if (!flag) throw unknownFlag(raw, Object.keys(all));
    if (flag.type === "boolean") {
      if (value !== undefined) throw new CofferError("USAGE", `${raw} takes no value`, { hint: "see --help" });
      values[name] = true;
      continue;
    }
    // a value that begins with a dash must be glued on with =: otherwise `--name --json` would eat a flag
    if (value === undefined || (!isGlued && /^--?[A-Za-z]|^--$/.test(value)))
      // behind a letter the sign would be part of the value
      throw new CofferError("USAGE", `${raw} needs a value`, { hint: `write ${raw}${raw.startsWith("--") ? "=" : " "}VALUE` });
    if (flag.options && !flag.options.includes(value)) {
      const near = closest(value, flag.options);
      throw new CofferError("USAGE", `${raw} cannot be “${value}”`, {
        hint: `${near ? `did you mean ${near}? ` : ""}It is one of: ${flag.options.join(", ")}`,
      });
    }
    if (flag.multiple) (values[name] as string[]).push(value);
    else if (values[name] !== undefined) throw new CofferError("USAGE", `${raw} was given twice`, { hint: "give it once" });
    else values[name] = value;
  }
  if (values["help"] !== true) checkPositionals(spec, positionals);
  return { flags: values as Values<F>, globals: values as GlobalValues, positionals };
}

function checkPositionals(spec: Pick<CommandSpec, "positionals" | "takesRest">, given: readonly string[]): void {
  const wanted = spec.positionals ?? [];
  const missing = wanted.find((positional, index) => positional.required && given[index] === undefined);
  if (missing) throw new CofferError("USAGE", `${missing.name} is missing: ${missing.description}`, { hint: "see --help" });
  if (given.length > wanted.length && !wanted.at(-1)?.variadic)
    throw new CofferError("USAGE", `one word too many: “${given[wanted.length]}”`, {
      hint: spec.takesRest ? `put ${spec.takesRest.name} behind “--”` : "see --help",
    });
}

function unknownFlag(raw: string, known: readonly string[]): CofferError {
  const near = closest(raw.replace(/^-+/, ""), known);
  return new CofferError("USAGE", `unknown flag ${raw}`, { hint: near ? `did you mean --${near}?` : "see --help" });
}
