import { families } from "./bash.ts";
import type { CompletedCommand } from "../completions.ts";

/** One `complete` line for each word and flag; two functions tell which command the line has. */
export function fishScript(commands: readonly CompletedCommand[]): string {
  const pairs = commands.filter(({ words }) => words.length === 2);
  const alone = commands.filter(({ words }) => words.length === 1);
  return `# fish completion for coffer
function __coffer_is
    set -l words (commandline -opc) '' ''
    contains -- -- $words; and return 1
    set -l two "$words[2] $words[3]"
    if contains -- $two ${pairs.map(({ words }) => quote(words.join(" "))).join(" ")}
        test $two = "$argv"
    else
        test "$words[2]" = "$argv"
    end
end
function __coffer_behind
    contains -- -- (commandline -opc)
end
function __coffer_first
    set -l words (commandline -opc)
    test (count $words) -eq 2; and test "$words[2]" = "$argv"
end
complete -c coffer -f
complete -c coffer -n __coffer_behind -F -a '(__fish_complete_command)'
${[
  ...alone.map(({ words, summary }) => `complete -c coffer -n __fish_use_subcommand -a ${words[0]} -d ${quote(summary)}`),
  ...families(commands)
    .filter(([first]) => !alone.some(({ words }) => words[0] === first))
    .map(([first, seconds]) => `complete -c coffer -n __fish_use_subcommand -a ${first} -d ${quote(seconds.join(", "))}`),
  ...pairs.map(({ words, summary }) => `complete -c coffer -n ${quote(`__coffer_first ${words[0]}`)} -a ${words[1]} -d ${quote(summary)}`),
  ...commands.flatMap(commandLines),
].join("\n")}
`;
}

function commandLines({ words, flags, choices }: CompletedCommand): string[] {
  const when = `complete -c coffer -n ${quote(`__coffer_is "${words.join(" ")}"`)}`;
  return [
    ...flags.map(({ name, alias, description, takesValue, options, directory }) => {
      const short = alias === undefined ? "" : ` -s ${alias}`;
      const value = !takesValue
        ? ""
        : options.length > 0
          ? ` -x -a ${quote(options.join(" "))}`
          : directory
            ? " -x -a '(__fish_complete_directories)'"
            : " -r -F";
      return `${when} -l ${name}${short}${value} -d ${quote(description)}`;
    }),
    choices.length > 0 ? `${when} -a ${quote(choices.join(" "))}` : `${when} -F`,
  ];
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
