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
/** What so many of the places that are imported dynamically need is common, too. */
const MANY = 15;

/** What `coffer run` needs from its first line to its last. */
const RUN = ["src/cli/run.ts", "src/run/finish.ts", "src/manifest/export/run-manifest.ts"];
/** Whatever needs so many modules of these beyond the common ones gets all of them: commands that take in bytes, and some that take longer anyway. */
const MUCH = 6;

/**
 * Has the bundler put all that is common into one chunk, and most of what `coffer run` needs beyond it into another. By itself it makes a chunk of each set of modules that
 * the same dynamic imports lead to: a hundred small ones to load for `coffer run`, of which each costs a start some hundredths of a millisecond. So whatever is imported
 * dynamically imports the common modules, too: then the same imports lead to all of them.
 */
export function commonChunk(project: string): BunPlugin {
  const inProject = (paths: readonly string[]): string[] => paths.map((path) => join(project, path));
  const sources = [...new Bun.Glob("src/**/*.ts").scanSync({ cwd: project, absolute: true })];
  const entries = [...new Set(sources.flatMap((path) => importsOf(path).dynamic))];
  const needs = new Map(entries.map((entry) => [entry, reachedFrom([entry])]));
  const neededBy = (path: string): number => entries.filter((entry) => needs.get(entry)?.has(path)).length;
  const common = reachedFrom(inProject(COMMON));
  for (const path of sources) if (neededBy(path) >= MANY && !bringsPackage(path)) common.add(path);
  const ofRun = [...reachedFrom(inProject(RUN))].filter((path) => !common.has(path));
  // behind the file's own lines, which keep their numbers; nothing of them runs but declarations, so that the order does not matter
  const linesFor = (paths: Iterable<string>): string => [...paths].map((path) => `import ${JSON.stringify(path)};\n`).join("");
  const more = new Map<string, string>();
  for (const [entry, needed] of needs) {
    if (common.has(entry)) continue;
    const isLikeRun = ofRun.filter((path) => needed.has(path)).length >= MUCH;
    more.set(entry, linesFor(common) + (isLikeRun ? linesFor(ofRun) : ""));
  }
  return {
    name: "common-chunk",
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) =>
        more.has(path) ? { contents: `${readFileSync(path, "utf8")}\n${more.get(path)}`, loader: "ts" } : undefined,
      );
    },
  };
}

/** These files, and whatever is loaded with them. */
function reachedFrom(paths: readonly string[]): Set<string> {
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const imported of importsOf(path).static) visit(imported);
  };
  paths.forEach(visit);
  return reached;
}

/** A package lies in the chunk of whoever may ask for it: that is not to be the common one. */
function bringsPackage(path: string): boolean {
  return [...reachedFrom([path])].some((reached) => importsOf(reached).isLoadingPackage);
}

interface Imports {
  /** Our own files. */
  static: string[];
  dynamic: string[];
  /** A package of npm's, by `require`. */
  isLoadingPackage: boolean;
}

const transpiler = new Bun.Transpiler({ loader: "ts" });
const known = new Map<string, Imports>();

function importsOf(path: string): Imports {
  const before = known.get(path);
  if (before) return before;
  const found = transpiler.scanImports(readFileSync(path, "utf8"));
  const ours = (kind: "import-statement" | "dynamic-import"): string[] =>
    found
      .filter((one) => one.kind === kind && one.path.startsWith(".") && one.path.endsWith(".ts"))
      .map((one) => join(path, "..", one.path));
  const imports = {
    static: ours("import-statement"),
    dynamic: ours("dynamic-import"),
    isLoadingPackage: found.some((one) => one.kind === "require-call" && !one.path.startsWith(".")),
  };
  known.set(path, imports);
  return imports;
}
