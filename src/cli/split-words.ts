/** A word of a command line: a flag with its value, where it has one, or anything else. */
export type Word =
  | {
      kind: "flag";
      name: string;
      /** As it was written, without the value. */
      raw: string;
      value: string | undefined;
      /** `--name=value`, `-nvalue`. */
      isGlued: boolean;
    }
  | { kind: "word"; value: string };

/** What tells flags apart: the one that a letter stands for, and whether a flag takes a value. Both know nothing of flags that there are not. */
export interface KnownFlags {
  ofLetter(letter: string): string | undefined;
  takesValue(name: string): boolean;
}

/**
 * Cuts a command's words into flags and others as `parseArgs` of node:util does, which takes 2 ms of each start to load. A flag that takes a value takes the next word,
 * whatever it looks like. `-ab` is `-a -b`; behind `--` there are words only.
 */
export function splitWords(argv: readonly string[], known: KnownFlags): Word[] {
  const words: Word[] = [];
  const left = argv.toReversed();
  const add = (name: string, raw: string, glued?: string): void => {
    const value = glued ?? (known.takesValue(name) ? left.pop() : undefined);
    words.push({ kind: "flag", name, raw, value, isGlued: glued !== undefined });
  };
  const addLong = (word: string): void => {
    const equals = word.indexOf("=");
    // a sign right behind the dashes is part of a name
    if (equals > 2) add(word.slice(2, equals), word.slice(0, equals), word.slice(equals + 1));
    else add(word.slice(2), word);
  };
  const addLetters = (letters: string): void => {
    for (let at = 0; at < letters.length; at++) {
      const letter = letters[at] as string;
      const name = known.ofLetter(letter) ?? letter;
      const more = letters.slice(at + 1);
      if (more !== "" && known.takesValue(name)) return add(name, `-${letter}`, more);
      add(name, `-${letter}`);
    }
  };
  for (let word = left.pop(); word !== undefined; word = left.pop()) {
    if (word === "--") while (left.length > 0) words.push({ kind: "word", value: left.pop() as string });
    else if (word.startsWith("--")) addLong(word);
    else if (word.startsWith("-") && word.length > 1) addLetters(word.slice(1));
    else words.push({ kind: "word", value: word });
  }
  return words;
}
