import { families } from "./bash.ts";
import type { CompletedCommand, CompletedFlag } from "../completions.ts";

/** A function for a directory of `$fpath`; `_arguments` does the work for each command. */
export function zshScript(commands: readonly CompletedCommand[]): string {
  return `#compdef coffer
_coffer() {
  local -a found
  local cut=\${words[(i)--]}
  if (( cut < CURRENT )); then
    shift $cut words
    (( CURRENT -= cut ))
    _normal
    return
  fi
  if (( CURRENT == 2 )); then
    found=(${describedFirst(commands).join(" ")})
    _describe -t commands command found
    return
  fi
  if (( CURRENT == 3 )); then
    case \${words[2]} in
${families(commands)
  .map(([first]) => `      ${first}) found=(${describedSecond(first, commands).join(" ")}); _describe -t commands command found ;;`)
  .join("\n")}
    esac
  fi
  case "\${words[2]} \${words[3]}" in
${commands
  .filter(({ words }) => words.length === 2)
  .map(commandCase)
  .join("\n")}
  esac
  case \${words[2]} in
${commands
  .filter(({ words }) => words.length === 1)
  .map(commandCase)
  .join("\n")}
  esac
}
if [ "$funcstack[1]" = "_coffer" ]; then _coffer "$@"; else compdef _coffer coffer; fi
`;
}

function describedFirst(commands: readonly CompletedCommand[]): string[] {
  const alone = commands.filter(({ words }) => words.length === 1);
  const heads = families(commands).filter(([first]) => !alone.some(({ words }) => words[0] === first));
  return [
    ...alone.map(({ words, summary }) => described(words[0] ?? "", summary)),
    ...heads.map(([first, seconds]) => described(first, seconds.join(", "))),
  ];
}

function describedSecond(first: string, commands: readonly CompletedCommand[]): string[] {
  return commands
    .filter(({ words }) => words.length === 2 && words[0] === first)
    .map(({ words, summary }) => described(words[1] ?? "", summary));
}

function described(word: string, summary: string): string {
  return quote(`${word}:${summary.replaceAll(":", "\\:")}`);
}

function commandCase({ words, flags, choices }: CompletedCommand): string {
  const specs = [...flags.map(flagSpec), choices.length > 0 ? quote(`1:word:(${choices.join(" ")})`) : quote("*:word:_files")];
  return `    ${quote(words.join(" "))}) shift ${words.length} words; (( CURRENT -= ${words.length} )); _arguments -s -S ${specs.join(" ")}; return ;;`;
}

function flagSpec({ name, alias, description, takesValue, multiple, options, directory }: CompletedFlag): string {
  const explained = `[${description.replace(/[[\]\\:]/g, "\\$&")}]`;
  const value = !takesValue ? "" : `:value:${options.length > 0 ? `(${options.join(" ")})` : directory ? "_files -/" : "_files"}`;
  const spellings = alias === undefined ? [`--${name}`] : [`--${name}`, `-${alias}`];
  return spellings
    .map((flag) => quote(`${multiple ? "*" : ""}${flag}${takesValue && flag.startsWith("--") ? "=" : ""}${explained}${value}`))
    .join(" ");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
