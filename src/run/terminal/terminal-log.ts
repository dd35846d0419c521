import { closeSync, fstatSync, openSync, statSync, writeSync } from "node:fs";
import { reason } from "../../domain/error.ts";
import { aborted, deadline } from "../child/deadline.ts";
import { writeAll } from "../child/follow.ts";
import { missingWords } from "./missing-words.ts";
import type { Log, OutputLog } from "./output-log.ts";

/**
 * `--capture` on a terminal: the child runs on a pseudo-terminal of its own, coffer carries bytes both ways and keeps what comes out, with
 * the terminal's CR LF. Unlike the pipes, it ends with coffer: a coffer that is killed hangs the child up (SIGHUP).
 */
export function openTerminalLog(log: Log, drainMs: number): OutputLog {
  const fd = openSync(log.path, "a");
  let printed = 0;
  let complaint: string | undefined;
  let echo: Promise<void> = Promise.resolve();
  const { promise: closed, resolve: onClosed } = Promise.withResolvers<void>();
  let terminal: Bun.Terminal | undefined;
  const options: Bun.TerminalOptions = {
    ...size(),
    name: process.env["TERM"] || "xterm-256color",
    data(_, chunk) {
      const bytes = Buffer.from(chunk);
      keep(bytes);
      echo = echo.then(() => writeAll(1, bytes)).catch(() => {});
    },
    exit: () => onClosed(),
  };
  const onKeys = (keys: Uint8Array<ArrayBuffer>): void => void terminal?.write(keys);
  const onResize = (): void => {
    const { cols, rows } = size();
    terminal?.resize(cols, rows);
  };

  /** After what could not be written nothing more is: the log would have a gap. */
  function keep(bytes: Uint8Array): void {
    printed += bytes.length;
    if (complaint !== undefined) return;
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
    } catch (error) {
      complaint = reason(error);
    }
  }

  function release(): void {
    process.stdin.off("data", onKeys).pause();
    process.off("SIGWINCH", onResize);
    process.off("exit", restore);
    restore();
    terminal?.close();
    closeSync(fd);
  }

  return {
    streams: { terminal: options },
    logs: [log],
    started(given) {
      terminal = given;
      process.stdin.setRawMode(true);
      // raw mode leaves the output side as it was: our terminal would make a CR LF of a bare LF that a full-screen program means as "down"
      stty("-opost");
      process.on("exit", restore);
      process.on("SIGWINCH", onResize);
      process.stdin.on("data", onKeys).resume();
    },
    async finish(stop) {
      // the last output arrives after the child's end
      using limit = deadline(drainMs);
      await Promise.race([closed, limit.passed]);
      await Promise.race([echo, aborted(stop)]);
      const { size } = fstatSync(fd);
      release();
      const notes = complaint === undefined ? [] : [missingWords(log.name, size, printed, complaint)];
      return { logs: [{ ...log, bytes: statSync(log.path).size, isOpen: false }], notes };
    },
    abandon: () => closeSync(fd),
  };
}

function restore(): void {
  stty("opost");
  process.stdin.setRawMode(false);
}

/** A terminal may say that it has no columns. */
function size(): { cols: number; rows: number } {
  return { cols: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}

function stty(word: string): void {
  Bun.spawnSync(["stty", word], { stdio: ["inherit", "ignore", "ignore"] });
}
