/** A fenced block of a page. */
export interface Block {
  /** What stands behind the fence: `console`, `yaml`, … */
  language: string;
  lines: string[];
  /** Of its first line, from 1. */
  at: number;
  /** The heading that it stands under. */
  heading: string;
}

/** The fenced blocks of a page, in order. */
export function fencedBlocks(page: string): Block[] {
  const found: Block[] = [];
  let heading = "";
  let open: Block | undefined;
  for (const [index, line] of page.split("\n").entries()) {
    if (open) {
      if (line.trim() === "```") open = void found.push(open);
      else open.lines.push(line);
    } else if (line.startsWith("```")) open = { language: line.slice(3).trim(), lines: [], at: index + 2, heading };
    else heading = /^#+ (.*)$/.exec(line)?.[1] ?? heading;
  }
  if (open) throw new Error(`the block at line ${open.at} has no end`);
  return found;
}

/** The page without its fenced blocks. */
export function prose(page: string): string {
  return page.replace(/^```[^]*?^```$/gm, "");
}

/** The rows of all tables below a heading (to the next one of its level or above), without their heads. Cells as they are written. */
export function tableRows(page: string, heading: string): string[][] {
  return section(page, heading)
    .split("\n")
    .filter((line, index, all) => line.startsWith("|") && !/^\|[\s|:-]+\|$/.test(line) && !/^\|[\s|:-]+\|$/.test(all[index + 1] ?? ""))
    .map((line) =>
      line
        .slice(1, line.lastIndexOf("|"))
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll("\\|", "|")),
    );
}

/** What stands below a heading, to the next one of its level or above. */
export function section(page: string, heading: string): string {
  const start = new RegExp(`^(#+) ${heading.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`, "m").exec(page);
  if (!start) throw new Error(`no heading “${heading}”`);
  const rest = page.slice(start.index + start[0].length);
  const end = new RegExp(`^#{1,${start[1]?.length}} `, "m").exec(rest);
  return end ? rest.slice(0, end.index) : rest;
}

/** What is written as code in running text: `coffer gc`, `COFFER_ROOT`. */
export function codeSpans(page: string): string[] {
  return [...prose(page).matchAll(/(?<!`)`([^`\n]+)`(?!`)/g)].map((match) => match[1] as string);
}
