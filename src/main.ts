import { version } from "../package.json" with { type: "json" };
import { writeAll } from "./cli/write-all.ts";

// the entry is loaded by every start, whatever it is for: all else comes when it is called for
const argv = process.argv.slice(2);
if (argv[0] === "--version") await sayVersion();
else process.exitCode = await (await import("./cli/call-command.ts")).callCommand(argv);

async function sayVersion(): Promise<void> {
  try {
    writeAll(1, `coffer ${version}\n`);
  } catch (error) {
    const { tellError } = await import("./cli/tell-error.ts");
    process.exitCode = tellError(error, { asJson: argv.includes("--json"), failsWith: undefined });
  }
}
