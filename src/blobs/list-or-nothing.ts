import { readdirSync } from "node:fs";
import { errno } from "../domain/error.ts";

/**
 * The names in a directory; none where it cannot be listed. `forgiven`: the only errors that mean “nothing is there”; others are thrown then.
 * As bytes where the path is bytes: a name need not be UTF-8.
 */
export function listOrNothing(directory: string, forgiven?: readonly string[]): string[];
export function listOrNothing(directory: Buffer, forgiven?: readonly string[]): Buffer[];
export function listOrNothing(directory: string | Buffer, forgiven?: readonly string[]): string[] | Buffer[] {
  try {
    return typeof directory === "string" ? readdirSync(directory) : readdirSync(directory, { encoding: "buffer" });
  } catch (error) {
    const code = errno(error);
    if (code === undefined || forgiven?.includes(code) === false) throw error;
    return [];
  }
}
