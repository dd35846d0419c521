import { join } from "node:path";
import { prepareBy } from "./prepare-by.ts";
import type { Subject } from "./subject.ts";

/** The graph behind one artifact, in each form that is written without a layout. */
export const drawLineage: readonly Subject[] = ["tree", "json", "dot"].map((format) => ({
  name: `lineage-${format}`,
  what: `coffer lineage --format ${format} of 10,000 artifacts and 19,897 edges`,
  reference: "the smallest compiled Bun program",
  goal: { most: 500 },
  rounds: 10,
  async prepare({ directory, coffer, compile }) {
    const root = join(directory, "root");
    await prepareBy("fill-graph.ts", root);
    const env = { HOME: directory, COFFER_ROOT: root };
    return {
      coffer: { command: [coffer, "lineage", "end", "--up", "--format", format], cwd: directory, env },
      reference: { command: [await compile("smallest")] },
    };
  },
}));
