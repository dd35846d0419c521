import { fileURLToPath } from "node:url";
import { READER_WORD } from "../reader/word.ts";
import type { AheadReply, AheadRequest } from "../reader/read-finished.ts";
import type { ReplyLine, RequestLine } from "../reader/serve.ts";
import { stampFromText, stampToText } from "../reader/stamp-text.ts";

export interface ReaderProcess {
  /** One request at a time. Resolves with undefined when the reader has ended. */
  ask(request: AheadRequest): Promise<AheadReply | undefined>;
  /** It ends at once, whatever it is doing. Where the kernel lets it not go (it waits for the disk), nobody waits for it. */
  end(): Promise<void>;
}

const PATIENCE_MS = 50;

/** Starts a process that reads files ahead at the lowest priority. It ends with this one. */
export function startReader(env: Readonly<Record<string, string | undefined>>): ReaderProcess {
  const child = Bun.spawn([...ownCommand(), READER_WORD], {
    stdio: ["pipe", "pipe", "ignore"],
    // a Ctrl-C is the command's; and no id of a run, or it would count as one of its processes
    detached: true,
    cwd: "/",
    env: only(env, ["HOME", "XDG_CACHE_HOME"]),
  });
  child.unref();
  const lines = linesOf(child.stdout);
  return {
    async ask({ path, stamp, copy }) {
      const line: RequestLine = { path, stamp: stampToText(stamp), copy: copy ?? null };
      try {
        child.stdin.write(`${JSON.stringify(line)}\n`);
        await child.stdin.flush();
        const { value, done } = await lines.next();
        return done ? undefined : parseReply(value);
      } catch {
        // it was killed: the files are read when the command has ended
        return undefined;
      }
    },
    async end() {
      child.kill("SIGKILL");
      let timer: Timer | undefined;
      const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, PATIENCE_MS)));
      // a timer that is left would keep us from ending
      await Promise.race([child.exited, patience]).finally(() => clearTimeout(timer));
    },
  };
}

function parseReply(line: string): AheadReply {
  const reply = JSON.parse(line) as ReplyLine;
  return "none" in reply ? reply.none : { hex: reply.hex, copy: reply.copy === null ? undefined : stampFromText(reply.copy) };
}

/** What starts this program. */
function ownCommand(): string[] {
  return import.meta.url.includes("/$bunfs/")
    ? [process.execPath]
    : [process.execPath, fileURLToPath(new URL("../../../main.ts", import.meta.url))];
}

function only(env: Readonly<Record<string, string | undefined>>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])));
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() as string;
    yield* lines;
  }
  return undefined;
}
