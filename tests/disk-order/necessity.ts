import type { Logged } from "../support/disk/operation-log.ts";
import { diskAfter } from "./crash.ts";
import { fingerprint } from "./lay-out.ts";
import type { Recording } from "./recording.ts";
import { expectations, faultsAfter, faultsWithoutDatabase } from "./survive.ts";
import type { Cut } from "./survive.ts";

/** What is flushed, in the words of docs/store.md: the same for each run, blob and pack. */
export function kindOf({ path }: Logged): string {
  return (
    path
      .replace(/^store\/?/, "")
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}/g, "ID")
      .replace(/_[0-9a-f]{12,64}(?=\.|$)/, "_HEX")
      .replace(/\.(\d+-[0-9a-f]{12}|ID\.yaml)\.tmp/, "NEW")
      .replace(/-[0-9a-f]{12}-\d+$/, "-HEX-N")
      .replace(/-\d+$/, "-N") || "the root"
  );
}

/** The same recording as if these flushes had never been asked for. */
export function without(recording: Recording, dropped: (operation: Logged, index: number) => boolean): Recording {
  const operations = recording.operations.map((operation, index) =>
    operation.op === "sync" && index >= recording.from && dropped(operation, index)
      ? { op: "mark" as const, words: "not flushed", path: operation.path }
      : operation,
  );
  return { ...recording, operations };
}

/**
 * Looks for a cut that a recording does not survive, where it is most likely: after each later flush, when something else has arrived that relies on what has not, and
 * at the end of a step. Returns the first fault, and how many disks were tried.
 */
export async function firstFault(
  recording: Recording,
  dropped: number,
  where: "anywhere" | "at the ends" = "anywhere",
): Promise<{ fault: string | undefined; tried: number }> {
  const expected = expectations(recording);
  const seen = new Set<string>();
  const candidates: (Cut & { ends: boolean })[] = [];
  for (let at = dropped + 1; at <= recording.operations.length; at++) {
    const isEnd = recording.ends.includes(at);
    const op = recording.operations[at - 1]?.op;
    if (!isEnd && (where === "at the ends" || (op !== "sync" && op !== "unlink"))) continue;
    for (const variant of ["names", "durable", "holes"] as const) {
      const image = diskAfter(recording.operations, at, variant);
      const print = fingerprint(image) + isEnd;
      if (seen.has(print)) continue;
      seen.add(print);
      candidates.push({ at, variant, image, ends: isEnd });
    }
  }
  // the ends first: what was acknowledged counts most
  candidates.sort((one, other) => Number(other.ends) - Number(one.ends) || one.at - other.at);
  let tried = 0;
  let fault: string | undefined;
  const worker = async (): Promise<void> => {
    for (let cut = candidates.shift(); cut && fault === undefined; cut = candidates.shift()) {
      tried++;
      const step = recording.ends.indexOf(cut.at) + 1;
      const [first] = await faultsAfter(recording, expected, cut, false);
      const [second] =
        first === undefined && step > 0 && recording.scenario.mend === undefined
          ? await faultsWithoutDatabase(cut.image, expected[step] as (typeof expected)[number])
          : [];
      const found = first ?? second;
      if (found !== undefined) fault ??= `cut at ${cut.at}, ${cut.variant}: ${found}`;
    }
  };
  await Promise.all([worker(), worker(), worker()]);
  return { fault, tried };
}
