// `bun run mlflow`: a server to look at, in the foreground. It keeps its runs in .cache/mlflow until that folder is removed.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { installMlflow } from "./environment.ts";
import { startMlflow } from "./server.ts";

if (process.argv.length > 2) {
  console.error("usage: npm run mlflow        (PORT=5000 chooses another port)");
  process.exit(process.argv[2] === "--help" ? 0 : 2);
}
const directory = join(import.meta.dir, "../../.cache/mlflow");
mkdirSync(directory, { recursive: true });
const python = await installMlflow(console.error);
console.error("starting MLflow, this takes about ten seconds …");
const server = await startMlflow({ kind: "proxied", directory, python, port: Number(process.env["PORT"] ?? 5000) });
const ended = new Promise((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, resolve);
});
console.error(
  `MLflow is at ${server.uri}, its artifacts in ${server.artifacts}; Ctrl-C ends it. In another terminal:\n\n  MLFLOW_TRACKING_URI=${server.uri} npm run demo\n`,
);
await ended;
await server.stop();
