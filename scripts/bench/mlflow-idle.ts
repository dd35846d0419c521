import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { benchServer } from "./mlflow-servers.ts";
import type { Subject } from "./subject.ts";

const RUNS = 1000;

export const syncNothing: Subject = {
  name: "mlflow-nothing",
  what: `sync-mlflow with nothing new, ${RUNS.toLocaleString("en")} synced runs, no request`,
  reference: "the smallest compiled Bun program",
  goal: { most: 50 },
  rounds: 20,
  async prepare({ directory, coffer, compile }) {
    const server = await benchServer("default", directory);
    const watched = await countConnections(server.port);
    const env = { HOME: directory, COFFER_ROOT: join(directory, "root"), MLFLOW_TRACKING_URI: watched.uri };
    for (let nth = 0; nth < RUNS; nth++)
      await run([coffer, "log", "--metric", `loss=${nth}`, "--quiet"], directory, { ...env, MLFLOW_TRACKING_URI: "" });
    console.error(`delivering ${RUNS} runs …`);
    await run([coffer, "sync-mlflow", "--quiet"], directory, env);
    watched.connections = 0;
    return {
      coffer: {
        command: [coffer, "sync-mlflow"],
        cwd: directory,
        env,
        after() {
          if (watched.connections > 0) throw new Error(`a sync with nothing new made ${watched.connections} connections`);
        },
      },
      reference: { command: [await compile("smallest")] },
    };
  },
};

interface Watched {
  uri: string;
  connections: number;
}

/** A way to a server that counts who takes it. It lives as long as this process. */
async function countConnections(port: number): Promise<Watched> {
  const watched: Watched = { uri: "", connections: 0 };
  const server = createServer((client) => {
    watched.connections++;
    const upstream = connect(port, "127.0.0.1");
    for (const end of [client, upstream])
      end
        .on("error", () => end.destroy())
        .on("close", () => {
          client.destroy();
          upstream.destroy();
        });
    client.pipe(upstream).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  watched.uri = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return watched;
}

async function run(command: readonly string[], cwd: string, env: Readonly<Record<string, string>>): Promise<void> {
  const child = Bun.spawn([...command], { cwd, env: { PATH: process.env["PATH"] ?? "", ...env }, stdio: ["ignore", "ignore", "inherit"] });
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")} ended with ${child.exitCode}`);
}
