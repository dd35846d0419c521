import { openLibc } from "../../domain/libc.ts";

/** What a command's output needs of the C library, opened once. */
export type Libc = ReturnType<typeof load>;

let loaded: Libc | undefined;

/** @throws where there is no such library */
export function loadLibc(): Libc {
  return (loaded ??= load());
}

function load() {
  const { symbols, ptr } = openLibc({
    isatty: { args: ["int"], returns: "int" },
    pipe2: { args: ["ptr", "int"], returns: "int" },
  });
  return { ...symbols, ptr };
}
