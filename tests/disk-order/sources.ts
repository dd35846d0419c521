import { mkdirSync, writeFileSync } from "node:fs";
import { numbersFrom } from "../../scripts/soak/random.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";

/** Stands for the directory of the sources. */
export const SOURCES = "<sources>";

/** The files that commands of the scenarios name; they lie on another disk, and are there for long. */
export function prepareSources(root: TemporaryRoot): void {
  const chance = numbersFrom(6);
  const bytes = (size: number) => Buffer.from(Array.from({ length: size }, () => Math.floor(chance() * 256)));
  writeFileSync(root.at("big"), bytes(300_000));
  writeFileSync(root.at("other"), bytes(200_000));
  for (const directory of ["many", "more"]) {
    mkdirSync(root.at(directory));
    for (let number = 0; number < 40; number++) writeFileSync(root.at(directory, `${number}`), bytes(500));
  }
}
