import { closeSync, readFileSync } from "node:fs";
import { openRegular } from "./copy.ts";

/** Bytes: more than any text that we write, and less than memory. */
const MOST = 1 << 30;

/** The text of a file of our own. No link is followed, and what somebody put in its place, however large, is an error. */
export function readRegular(path: string): string {
  const { fd, stat } = openRegular(path);
  try {
    if (stat.size > MOST) throw new Error(`it is larger than ${MOST >> 30} GiB`);
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}
