import type { Subject } from "./subject.ts";

export const start: Subject = {
  name: "start",
  what: "coffer --version",
  reference: "the smallest compiled Bun program",
  goal: { times: 2 },
  rounds: 40,
  async prepare({ coffer, compile }) {
    return { coffer: { command: [coffer, "--version"] }, reference: { command: [await compile("smallest")] } };
  },
};
