import type { Fault, FaultyProxy } from "../../support/faulty-proxy.ts";
import { faultyProxy } from "../../support/faulty-proxy.ts";

/** What a request is about: `POST runs/create`, `PUT large.bin`, `PUT MLmodel of the model`. */
function aboutOf(request: string): string {
  const [method, path = ""] = request.split(" ");
  const artifact = /\/mlflow-artifacts\/artifacts\/(?:[^/]+\/)(models\/)?[^/]+\/artifacts\/(.*)/.exec(path);
  if (artifact)
    return `${method} ${decodeURIComponent((artifact[2] as string).split("/").at(-1) as string)}${artifact[1] ? " of the model" : ""}`;
  return `${method} ${path.replace(/^\/(ajax-)?api\/[\d.]+\/mlflow\//, "").replace(/m-[0-9a-f]{32}/, "m-…")}`;
}

/** Every kind of request that the delivery of `tellWhole`'s two runs makes, in order; `from`: not before the nth of its kind. */
export const STEPS: readonly { about: string; from: number }[] = [
  { about: "GET experiments/get-by-name", from: 1 },
  { about: "POST experiments/create", from: 1 },
  { about: "POST runs/search", from: 1 },
  { about: "POST runs/create", from: 1 },
  { about: "POST runs/log-batch", from: 1 },
  { about: "POST runs/update", from: 1 },
  { about: "GET runs/get", from: 1 },
  // what has happened so far concerned the run around ours
  { about: "POST runs/search", from: 2 },
  { about: "POST runs/create", from: 2 },
  // params, tags and metrics: six in all, and those that are sent again
  { about: "POST runs/log-batch", from: 2 },
  { about: "POST runs/log-batch", from: 4 },
  { about: "POST runs/log-batch", from: 5 },
  { about: "POST runs/log-batch", from: 7 },
  { about: "POST runs/log-inputs", from: 1 },
  { about: "PUT large.bin", from: 1 },
  { about: "PUT file 15.txt", from: 1 },
  { about: "PUT empty.txt", from: 1 },
  { about: "POST logged-models/search", from: 1 },
  { about: "POST logged-models", from: 1 },
  { about: "GET logged-models/m-…/artifacts/directories", from: 2 },
  { about: "PUT weights.bin of the model", from: 1 },
  { about: "PATCH logged-models/m-…", from: 1 },
  { about: "POST runs/outputs", from: 1 },
  { about: "POST runs/update", from: 2 },
  { about: "GET runs/get", from: 3 },
  { about: "GET artifacts/list", from: 3 },
  { about: "GET metrics/get-history", from: 2 },
];

export interface StepProxy extends FaultyProxy {
  /** Steps at which nothing went wrong yet. */
  left(): typeof STEPS;
}

/** A proxy that does this to the first request of each step: one after the other, as a delivery comes to them. */
export async function harmSteps(target: string, steps: typeof STEPS, fault: (about: string) => Fault): Promise<StepProxy> {
  let left = steps;
  const counts = new Map<string, number>();
  const proxy = await faultyProxy(target, (request) => {
    const about = aboutOf(request);
    const nth = (counts.get(about) ?? 0) + 1;
    counts.set(about, nth);
    const step = left.find((one) => one.about === about && nth >= one.from);
    if (!step) return undefined;
    left = left.filter((one) => one !== step);
    return fault(about);
  });
  return { ...proxy, left: () => left };
}
