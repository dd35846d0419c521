import { fstatSync } from "node:fs";
import { loadLibc } from "./libc.ts";

/** Whether a descriptor is a terminal. node:tty and `process.stdout.isTTY` say it too, but loading them costs 6 ms, as much as a whole short run. */
export async function isTerminal(fd: number): Promise<boolean> {
  try {
    if (!fstatSync(fd).isCharacterDevice()) return false;
  } catch {
    return false;
  }
  try {
    if (process.platform === "linux") return loadLibc().isatty(fd) === 1;
    const { dlopen } = await import("bun:ffi");
    return dlopen("libSystem.dylib", { isatty: { args: ["int"], returns: "int" } }).symbols.isatty(fd) === 1;
  } catch {
    return (await import("node:tty")).isatty(fd);
  }
}
