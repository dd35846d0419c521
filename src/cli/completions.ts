import { CofferError } from "../domain/error.ts";
import { GLOBAL_FLAGS, command } from "./command.ts";
import type { CommandSpec, Flag, Flags } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { bashScript } from "./completions/bash.ts";
import { fishScript } from "./completions/fish.ts";
import { zshScript } from "./completions/zsh.ts";

/** A command as a shell completes it. */
export interface CompletedCommand {
  /** The words that call it: `["config", "show"]`. */
  words: string[];
  summary: string;
  flags: CompletedFlag[];
  /** The words that may follow; empty where any may. */
  choices: readonly string[];
  /** A command of the user's own follows behind `--`. */
  takesRest: boolean;
}

export interface CompletedFlag {
  name: string;
  alias: string | undefined;
  description: string;
  takesValue: boolean;
  multiple: boolean;
  /** The only values; empty where there are others. */
  options: readonly string[];
  /** Whether the value is a directory's name; any other free value may be a file's. */
  directory: boolean;
}

const SHELLS = { bash: bashScript, zsh: zshScript, fish: fishScript };

export default command(
  {
    flags: {},
    positionals: [{ name: "bash|zsh|fish", description: "the shell to write for", required: true }],
    about:
      "Prints a script that completes commands, flags and their values. It is made from the commands themselves: print it anew after an upgrade.",
    examples: [
      ['eval "$(coffer completions bash)"', "in ~/.bashrc"],
      ["coffer completions zsh > ~/.zfunc/_coffer", "into a directory of $fpath"],
      ["coffer completions fish > ~/.config/fish/completions/coffer.fish", "fish finds it there"],
    ],
  },
  async ({ positionals: [shell = ""], io }) => {
    if (!isShell(shell))
      throw new CofferError("USAGE", `no completions for “${shell}”`, { hint: `it is one of: ${Object.keys(SHELLS).join(", ")}` });
    const script = SHELLS[shell](await completedCommands());
    io.print({ schema: "coffer.completions/1", shell, script }, (document) => document.script);
  },
);

function isShell(word: string): word is keyof typeof SHELLS {
  return Object.hasOwn(SHELLS, word);
}

async function completedCommands(): Promise<CompletedCommand[]> {
  return Promise.all(
    Object.entries(COMMANDS).map(async ([name, entry]) => {
      const spec: CommandSpec<Flags> = (await entry.load()).default.spec;
      return {
        words: name.split(" "),
        summary: entry.summary,
        flags: Object.entries<Flag>({ ...spec.flags, ...GLOBAL_FLAGS }).map(([flag, given]) => completedFlag(flag, given)),
        choices: spec.positionals?.flatMap((positional) => (positional.name.includes("|") ? positional.name.split("|") : [])) ?? [],
        takesRest: spec.takesRest !== undefined,
      };
    }),
  );
}

function completedFlag(name: string, flag: Flag): CompletedFlag {
  return {
    name,
    alias: flag.alias,
    description: flag.description,
    takesValue: flag.type === "string",
    multiple: flag.multiple ?? false,
    options: flag.options ?? [],
    directory: flag.valueHint === "DIR",
  };
}
