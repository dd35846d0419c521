import type { CompletedCommand } from "../completions.ts";

/** Works with bash 3.2, which macOS has, and without the package bash-completion. File names are left to readline: it quotes them. */
export function bashScript(commands: readonly CompletedCommand[]): string {
  return `# bash completion for coffer
_coffer() {
    local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}"
    local command="" flags="" choices="" i
    COMPREPLY=()
    for (( i = 1; i < COMP_CWORD; i++ )); do
        if [ "\${COMP_WORDS[i]}" = "--" ]; then
            if [ "$i" -eq $(( COMP_CWORD - 1 )) ]; then COMPREPLY=( $(compgen -c -- "$cur") ); fi
            return
        fi
    done
    # readline makes three words of --flag=value
    if [ "$cur" = "=" ]; then cur=""; elif [ "$prev" = "=" ]; then prev="\${COMP_WORDS[COMP_CWORD-2]}"; fi
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=( $(compgen -W ${quote(firstWords(commands).concat("--help", "--version").join(" "))} -- "$cur") )
        return
    fi
    case "\${COMP_WORDS[1]}" in
${commands
  .filter(({ words }) => words.length === 1)
  .map(commandCase)
  .join("\n")}
    esac
    if [ "$COMP_CWORD" -eq 2 ]; then
        case "\${COMP_WORDS[1]}" in
${families(commands)
  .map(([first, seconds]) => `            ${first}) choices="$choices ${seconds.join(" ")}" ;;`)
  .join("\n")}
        esac
    else
        case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${commands
  .filter(({ words }) => words.length === 2)
  .map(commandCase)
  .join("\n")}
        esac
    fi
    case "$command $prev" in
${commands.flatMap(valueCases).join("\n")}
    esac
    case "$cur" in
        -*) COMPREPLY=( $(compgen -W "$flags" -- "$cur") ) ;;
        *) COMPREPLY=( $(compgen -W "$choices" -- "$cur") ) ;;
    esac
}
complete -o default -F _coffer coffer
`;
}

/** The words that may stand first. */
function firstWords(commands: readonly CompletedCommand[]): string[] {
  return [...new Set(commands.map(({ words }) => words[0] ?? ""))];
}

/** First words that a second one follows, with those. */
export function families(commands: readonly CompletedCommand[]): [first: string, seconds: string[]][] {
  const found = new Map<string, string[]>();
  for (const { words } of commands)
    if (words[0] !== undefined && words[1] !== undefined) found.set(words[0], [...(found.get(words[0]) ?? []), words[1]]);
  return [...found];
}

function commandCase({ words, flags, choices, takesRest }: CompletedCommand): string {
  const all = [
    ...flags.flatMap(({ name, alias }) => (alias === undefined ? [`--${name}`] : [`--${name}`, `-${alias}`])),
    ...(takesRest ? ["--"] : []),
  ];
  const name = quote(words.join(" "));
  return `        ${name}) command=${name}; flags=${quote(all.join(" "))}; choices=${quote(choices.join(" "))} ;;`;
}

/** Behind a flag that takes a value: its options, or nothing, so that readline offers file names. */
function valueCases({ words, flags }: CompletedCommand): string[] {
  return flags
    .filter(({ takesValue }) => takesValue)
    .map(({ name, alias, options }) => {
      const pattern = [`--${name}`, ...(alias === undefined ? [] : [`-${alias}`])]
        .map((flag) => quote(`${words.join(" ")} ${flag}`))
        .join("|");
      return `        ${pattern}) COMPREPLY=( $(compgen -W ${quote(options.join(" "))} -- "$cur") ); return ;;`;
    });
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
