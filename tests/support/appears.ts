import { existsSync, readFileSync } from "node:fs";

/**
 * Waits for a file, such as one that says how far a process has come.
 * @throws where the process that is to make it, or to have it made, ends before
 */
export async function appears(path: string, maker: { exited: Promise<unknown> }): Promise<void> {
  let isOver = false;
  const ended = maker.exited.finally(() => (isOver = true));
  while (!existsSync(path)) {
    if (!isOver) await Bun.sleep(2);
    // it may have made the file just before its end
    else if (!existsSync(path))
      throw new Error(`${path} never appeared: the process that was to make it ended with ${Bun.inspect(await ended)}`);
  }
}

/** Waits until a file says something, up to the end of a line, whoever writes it. */
export async function says(path: string): Promise<string> {
  for (;;) {
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    if (text.endsWith("\n")) return text;
    await Bun.sleep(3);
  }
}
