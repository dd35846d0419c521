// `npm test`: everything it needs, then every check. A machine with Node and npm is enough.
import { install, pass } from "./install.mjs";

process.exitCode = await pass(install(), ["scripts/ok.ts", ...process.argv.slice(2)]);
