import { readSync } from "node:fs";
import { loadBlake3 } from "../../../blobs/blake3.ts";
import { writeWhole } from "../../../blobs/durable.ts";
import { loadKernel } from "./kernel.ts";
import { readFinished } from "./read-finished.ts";
import { stampFromText, stampToText } from "./stamp-text.ts";

/** A line of JSON each way. Both ends are this very program. */
export interface RequestLine {
  path: string;
  stamp: string;
  copy: { to: string; floor: number } | null;
}

export type ReplyLine = { hex: string; copy: string | null } | { none: "full" | "left" };

/**
 * The other half of a reader (`wrapper/start-reader.ts`): reads requests from stdin, one after the other, until it ends. It is a process of its own since a thread of the wrapper's could not be
 * stopped in the middle of a flush, and would take the wrapper along where it fails.
 */
export async function serveReader(): Promise<number> {
  const kernel = loadKernel();
  kernel.endWithParent();
  kernel.yieldToAll();
  const blake3 = await loadBlake3();
  for (const line of linesOf(0)) {
    const { path, stamp, copy } = JSON.parse(line) as RequestLine;
    const reply = readFinished({ path, stamp: stampFromText(stamp), copy: copy ?? undefined }, blake3, kernel);
    const told: ReplyLine =
      typeof reply === "string" ? { none: reply } : { hex: reply.hex, copy: reply.copy ? stampToText(reply.copy) : null };
    writeWhole(1, Buffer.from(`${JSON.stringify(told)}\n`));
  }
  return 0;
}

/** Waits for each, and does nothing else meanwhile. */
function* linesOf(fd: number): Generator<string> {
  const buffer = Buffer.allocUnsafe(64 << 10);
  let rest = Buffer.alloc(0);
  for (;;) {
    const read = readSync(fd, buffer);
    if (read === 0) return;
    rest = Buffer.concat([rest, buffer.subarray(0, read)]);
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      yield rest.toString("utf8", 0, end);
      rest = rest.subarray(end + 1);
    }
  }
}
