import { beside } from "./beside.ts";
import type { Subject } from "./subject.ts";

export const start: Subject = {
  name: "start",
  what: "coffer --version",
  reference: "the smallest compiled Bun program",
  goal: { times: 1.5 },
  rounds: 40,
  async prepare(place) {
    return {
      coffer: { command: [place.coffer, "--version"] },
      reference: { command: [await place.compile("smallest")] },
      peers: await beside(place, ["mlflow"]),
    };
  },
};
