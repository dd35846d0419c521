// `npm run demo`: installs, builds, and shows coffer at work. A machine with Node and npm is enough.
import { install, pass } from "./install.mjs";

const bun = install();
process.stderr.write("$ npm run build\n");
process.exitCode = (await pass(bun, ["scripts/build.ts"])) || (await pass(bun, ["scripts/demo.ts"]));
