import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { BunPlugin } from "bun";

/** What every command that opens a store needs, with all that these import. */
const COMMON = [
  "src/cli/command.ts",
  "src/cli/io.ts",
  "src/config/settings.ts",
  "src/db/records/artifacts.ts",
  "src/db/records/runs.ts",
  "src/store/store.ts",
];

/**
 * Has the bundler put all that `COMMON` imports into one chunk. By itself it makes a chunk of each set of modules that the same dynamic imports lead to: a hundred small ones
 * to load for `coffer run`, of which each costs a start some hundredths of a millisecond. So whatever is imported dynamically imports the common modules, too: then the same
 * imports lead to all of them.
 */
export function commonChunk(project: string): BunPlugin {
  const common = COMMON.map((path) => join(project, path));
  const inCommon = new Set<string>();
  const gather = (path: string): void => {
    if (inCommon.has(path)) return;
    inCommon.add(path);
    for (const imported of importsOf(path, "import-statement")) gather(imported);
  };
  common.forEach(gather);
  const sources = [...new Bun.Glob("src/**/*.ts").scanSync({ cwd: project, absolute: true })];
  const entries = new Set(sources.flatMap((path) => importsOf(path, "dynamic-import")).filter((path) => !inCommon.has(path)));
  // behind the file's own lines, which keep their numbers; nothing of them runs but declarations, so that the order does not matter
  const more = common.map((path) => `import ${JSON.stringify(path)};\n`).join("");
  return {
    name: "common-chunk",
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) =>
        entries.has(path) ? { contents: `${readFileSync(path, "utf8")}\n${more}`, loader: "ts" } : undefined,
      );
    },
  };
}

const transpiler = new Bun.Transpiler({ loader: "ts" });

/** Our own files that one of them imports. */
function importsOf(path: string, kind: "import-statement" | "dynamic-import"): string[] {
  return transpiler
    .scanImports(readFileSync(path, "utf8"))
    .filter((found) => found.kind === kind && found.path.startsWith(".") && found.path.endsWith(".ts"))
    .map((found) => join(path, "..", found.path));
}
