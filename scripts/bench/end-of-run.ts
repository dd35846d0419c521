// `bun scripts/bench/end-of-run.ts DIR COMMAND…`: wraps a command by COMMAND that moves the files of DIR into its workspace, and ends when they are read. Prints the milliseconds from there
// to the end of COMMAND.
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [input = "", ...command] = process.argv.slice(2);
const bytes = readdirSync(input).reduce((sum, name) => sum + statSync(join(input, name)).size, 0);
const [moved, go] = [`${input}.moved`, `${input}.go`];
const script = `mv "$0"/* "$COFFER_WORKSPACE"; : >"$0.moved"; until [ -e "$0.go" ]; do sleep 0.05; done`;

const run = Bun.spawn([...command, "--", "sh", "-c", script, input], { stdio: ["ignore", "inherit", "inherit"] });
while (!existsSync(moved)) await Bun.sleep(10);
if (!command.includes("--no-hash-ahead")) await allIsRead();
const ended = endOfChild();
writeFileSync(go, "");
const began = await ended;
await run.exited;
const milliseconds = performance.now() - began;
for (const path of [moved, go]) rmSync(path);
console.log(milliseconds.toFixed(1));
process.exitCode = run.exitCode ?? 1;

/** Whoever reads ahead has read it all, and waits for more. */
async function allIsRead(): Promise<void> {
  for (let [before, same] = [0, 0]; same < 10;) {
    await Bun.sleep(100);
    const reader = childrenOf(run.pid).find((pid) => readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("--read-ahead"));
    if (reader === undefined) continue;
    const read = Number(/rchar: ([0-9]+)/.exec(readFileSync(`/proc/${reader}/io`, "latin1"))?.[1]);
    const isAsleep = /\) S /.test(readFileSync(`/proc/${reader}/stat`, "latin1"));
    same = isAsleep && read === before && read >= bytes ? same + 1 : 0;
    before = read;
  }
}

/** When the wrapped command ended, as near as one can see: it is looked for without a pause. */
async function endOfChild(): Promise<number> {
  const [child] = childrenOf(run.pid).filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(".moved"));
  while (existsSync(`/proc/${child}/exe`)) await Bun.sleep(1);
  return performance.now();
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number);
}
