import { writeFileSync } from "node:fs";
import type { Block } from "./markdown.ts";

/** A command of a page, and what the page says that it prints. */
interface Step {
  command: string;
  expected: string[];
  /** Its line in the page, from 1. */
  at: number;
}

/** The commands of `console` blocks: `$ ` begins one, `> ` goes on with it, all else is what it prints. */
export function stepsOf(blocks: readonly Block[]): Step[] {
  const steps: Step[] = [];
  for (const { lines, at } of blocks)
    for (const [index, line] of lines.entries()) {
      const last = steps.at(-1);
      if (line.startsWith("$ ")) steps.push({ command: line.slice(2), expected: [], at: at + index });
      else if (!last || last.at < at) throw new Error(`line ${at + index}: a block begins with a command`);
      else if ((line.startsWith("> ") || line === ">") && last.expected.length === 0) last.command += `\n${line.slice(2)}`;
      else last.expected.push(line);
    }
  return steps;
}

/**
 * Types the commands into one shell, one after the other, and returns what did not go as the page says. A command ends with 0 unless the next one is
 * `echo $?`. Where output is shown it must match: `…` stands for anything within a line, or alone for any lines; the width of blanks does not count.
 */
export async function play(
  steps: readonly Step[],
  options: { cwd: string; env: Record<string, string>; script: string },
): Promise<string[]> {
  const typed = steps.map(({ command }) => `(exit $last)\neval ${quoted(command)}\nlast=$?\nprintf '\\036%s\\n' "$last"\n`);
  writeFileSync(options.script, `exec 2>&1\nlast=0\n${typed.join("")}`);
  const shell = Bun.spawn(["sh", options.script], { cwd: options.cwd, env: options.env, stdio: ["ignore", "pipe", "inherit"] });
  const output = await shell.stdout.text();
  const results = [...output.matchAll(/([^]*?)\x1e([0-9]+)\n/g)].map((match) => ({ printed: match[1] as string, code: Number(match[2]) }));
  return steps.flatMap((step, index) => {
    const result = results[index];
    if (!result) return [`line ${step.at}: not reached: ${step.command}`];
    const mayFail = steps[index + 1]?.command === "echo $?";
    const printed = result.printed.replace(/\n$/, "").split("\n");
    if (result.code !== 0 && !mayFail) return [`line ${step.at}: ${step.command}: exit code ${result.code}\n${result.printed}`];
    return step.expected.length === 0 || matches(step.expected, printed)
      ? []
      : [`line ${step.at}: ${step.command} printed\n${result.printed}`];
  });
}

function matches(expected: readonly string[], printed: readonly string[]): boolean {
  const [first, ...rest] = expected;
  if (first === undefined) return printed.length === 0;
  if (first.trim() === "…") return printed.some((_, index) => matches(rest, printed.slice(index))) || rest.length === 0;
  return printed[0] !== undefined && lineMatches(first, printed[0]) && matches(rest, printed.slice(1));
}

function lineMatches(expected: string, printed: string): boolean {
  const pattern = plain(expected)
    .split("…")
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${pattern.join(".*")}$`).test(plain(printed));
}

function plain(line: string): string {
  return line.replace(/\s+/g, " ").trim();
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
