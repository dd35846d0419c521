import { version } from "../package.json" with { type: "json" };
import { STDOUT_INFO, wasClosedByInfo } from "./cli/closed-stdout.ts";

// the entry is loaded by every start, whatever it is for: all else comes when it is called for
const argv = process.argv.slice(2);
if (argv[0] !== "--version" || !(await saidVersion())) process.exitCode = await (await import("./cli/call-command.ts")).callCommand(argv);

/** By Bun's own means: node:fs takes a millisecond to load. What does not take it is told by what writes everything else. */
async function saidVersion(): Promise<boolean> {
  try {
    if (wasClosedByInfo(await Bun.file(STDOUT_INFO).text())) return false;
    await Bun.write(Bun.stdout, `coffer ${version}\n`);
    return true;
  } catch {
    return false;
  }
}
