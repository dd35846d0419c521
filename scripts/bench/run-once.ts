// `bun scripts/bench/run-once.ts [--keep-output] CMD…`: runs it, and prints how long it took and how much memory it needed, as JSON.
//
// A process of its own for each run: what `wait` says of a child's memory begins with the memory of the one that started it, and the bench itself grows
// with its rows. This one holds 15 MB, less than any compiled Bun program.
const keepOutput = process.argv[2] === "--keep-output";
const command = process.argv.slice(keepOutput ? 3 : 2);

// the first start of a process costs what no later one does
Bun.spawnSync(["true"]);
const begun = performance.now();
const child = Bun.spawnSync(command, { stdio: ["ignore", keepOutput ? "pipe" : "ignore", "pipe"] });
const milliseconds = performance.now() - begun;
console.log(
  JSON.stringify({
    milliseconds,
    peakBytes: child.resourceUsage?.maxRSS ?? 0,
    code: child.exitCode,
    said: child.stdout?.toString() ?? "",
    words: child.stderr.toString(),
  }),
);
