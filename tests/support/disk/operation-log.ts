import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import type { Operation } from "./image.ts";

/** An operation with the path that its inode had, as one of possibly several names, when it happened. */
export type Logged = Operation & { path: string };

/** Writes operations as JSON lines, in the order in which they happened. */
export class OperationLog {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, "wx");
  }

  add(logged: Logged): void {
    const line =
      logged.op === "write"
        ? { ...logged, bytes: logged.bytes.toString("base64") }
        : logged.op === "times"
          ? { ...logged, mtime: String(logged.mtime) }
          : logged;
    writeSync(this.#fd, `${JSON.stringify(line)}\n`);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export function readOperations(path: string): Logged[] {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const read = JSON.parse(line) as Record<string, unknown>;
      if (read["op"] === "write") read["bytes"] = Buffer.from(read["bytes"] as string, "base64");
      if (read["op"] === "times") read["mtime"] = BigInt(read["mtime"] as string);
      return read as unknown as Logged;
    });
}
