import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { makeCaller } from "../call.ts";
import type { Caller, Where } from "../call.ts";
import { makeContents } from "../contents.ts";
import type { Contents } from "../contents.ts";
import { makeModel } from "./model.ts";
import type { Artifact, Model } from "./model.ts";
import { condemned } from "./rules.ts";

/** One store, the model of what is in it, and the processes that work on both. */
export interface World {
  readonly directory: string;
  /** The store's root. */
  readonly root: string;
  readonly caller: Caller;
  readonly contents: Contents;
  readonly model: Model;
  /** How many actions have begun, and how many of them go on. */
  begun: number;
  active: number;
  /** How many artifacts a comparison looks at more closely than it must. */
  readonly samples: number;
  /** What is to be done when nobody else is at work. */
  readonly later: (() => Promise<void>)[];
  /** A path that nothing has yet. */
  fresh(): string;
}

/** `phase`: how many actions come between two comparisons. */
export function makeWorld(where: Where, phase: number): World {
  const { directory } = where;
  for (const name of ["marks", "got"]) mkdirSync(join(directory, name), { recursive: true });
  let number = 0;
  return {
    directory,
    root: join(directory, "artifacts"),
    caller: makeCaller(where),
    contents: makeContents(join(directory, "sources")),
    model: makeModel(),
    begun: 0,
    active: 0,
    get samples() {
      return phase > 1 ? 6 : this.begun % 3 === 0 ? 1 : 0;
    },
    later: [],
    fresh: () => join(directory, "got", String(number++)),
  };
}

/** After each change of the model: what is in danger now was in danger for every gc that is at work. */
export function changed({ model }: World): void {
  for (const { rules, vulnerable } of model.collections) for (const artifact of condemned(model, rules, "may")) vulnerable.add(artifact);
}

/** How a command names it. */
export function refOf({ model }: World, artifact: Artifact): string {
  if (artifact.name !== undefined) return artifact.key;
  const run = artifact.run as NonNullable<Artifact["run"]>;
  return `${(model.runs.get(run.name) ?? run).id}/${artifact.key.slice(run.name.length + 1)}`;
}
