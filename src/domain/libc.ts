import type * as Ffi from "bun:ffi";

/**
 * Functions of the C library, for what Node has no words for. Linux. To open it costs 0.2 ms, and a little more for each function: so it is done where one is needed, and for no other. A function
 * that takes what it is given (`syscall`) is declared by each caller as that one calls it.
 * @throws where there is no such library or function
 */
export function openLibc<Functions extends Record<string, Ffi.FFIFunction>>(functions: Functions): OpenedLibc<Functions> {
  // no command that does without pays for loading it
  const { dlopen, ptr, read } = require("bun:ffi") as typeof Ffi;
  // musl answers to this name too
  return { symbols: dlopen("libc.so.6", functions).symbols, ptr, read };
}

interface OpenedLibc<Functions extends Record<string, Ffi.FFIFunction>> extends Pick<typeof Ffi, "ptr" | "read"> {
  symbols: Ffi.Library<Functions>["symbols"];
}
