import { statSync } from "node:fs";
import { join } from "node:path";
import { tlsProxy } from "../../tests/support/tls-proxy.ts";
import { installMlflow } from "../mlflow/environment.ts";
import { freeBytes } from "./fresh-directory.ts";
import { raceClient } from "./mlflow-contest.ts";
import type { Race } from "./mlflow-contest.ts";
import { syncNothing } from "./mlflow-idle.ts";
import { benchServer, endWithServers, filesBelow } from "./mlflow-servers.ts";
import { writeRandomFiles } from "./random-files.ts";
import type { Contestant, Goal, Subject } from "./subject.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** A delivery and all its checks beside one call of MLflow's own client, 3.17.2, on a server with its defaults. */
export const deliverToMlflow: readonly Subject[] = [
  upload("small", "500 × 1 KiB", { count: 500, size: KIB, goal: { faster: 2.5 }, rounds: 7 }),
  upload("medium", "20 × 10 MiB", { count: 20, size: 10 * MIB, goal: { faster: 1.6 }, rounds: 7 }),
  upload("large", "1 × 500 MiB", { count: 1, size: 500 * MIB, goal: { faster: 0.95 }, rounds: 5 }),
  points("points", 20_000),
  upload("disk-small", "500 × 1 KiB on the server's own disk", {
    count: 500,
    size: KIB,
    goal: { faster: 20 },
    rounds: 7,
    race: { sharesDisk: true },
  }),
  linkLarge("disk-large", "5 GiB on the server's own disk, nothing copied", 5 * GIB),
  upload("older", "500 × 1 KiB, to MLflow 3.11", { count: 500, size: KIB, goal: { faster: 15 }, rounds: 3, race: { server: "older" } }),
  upload("memory", "memory of an upload of 2 GiB", {
    count: 1,
    size: 2 * GIB,
    goal: { memory: 150e6 },
    rounds: 2,
    race: { keepStore: true },
  }),
  overTls("memory-tls", "memory of an upload of 2 GiB over TLS", 2 * GIB),
  syncNothing,
].map((subject) => ({ ...subject, memory: 150e6 }));

interface Upload {
  count: number;
  size: number;
  goal: Goal;
  rounds: number;
  race?: Partial<Race>;
}

function upload(name: string, what: string, { count, size, goal, rounds, race }: Upload): Subject {
  return {
    name: `mlflow-${name}`,
    what: `sync-mlflow: ${what}`,
    reference: "log_artifacts",
    goal,
    rounds,
    async prepare(place) {
      const input = join(place.directory, "input");
      await writeRandomFiles(input, count, size);
      return raceClient(place, { server: "default", call: ["artifacts", input], log: [input], ...race });
    },
  };
}

function points(name: string, count: number): Subject {
  const line = (nth: number): string =>
    JSON.stringify({ metric: `metric-${nth % 20}`, value: nth / 7, step: Math.floor(nth / 20), time: 1_700_000_000_000 + nth });
  return {
    name: `mlflow-${name}`,
    what: `sync-mlflow: ${count.toLocaleString("en")} points of 20 metrics`,
    reference: "log_batch",
    goal: { faster: 1.6 },
    rounds: 5,
    prepare: (place) =>
      raceClient(place, {
        server: "default",
        call: ["points", String(count)],
        log: ["--stdin"],
        lines: Array.from({ length: count }, (_, nth) => `${line(nth)}\n`).join(""),
      }),
  };
}

function linkLarge(name: string, what: string, size: number): Subject {
  return {
    name: `mlflow-${name}`,
    what: `sync-mlflow: ${what}`,
    reference: "cp",
    goal: { most: 1000 },
    rounds: 3,
    async prepare(place) {
      const input = join(place.directory, "input");
      const [file] = (await writeRandomFiles(input, 1, size)) as [string];
      let free = 0;
      const check = (artifacts: string, root: string): void => {
        const [there, stored] = [artifacts, join(root, "binaries")].map((at) =>
          filesBelow(at).find((path) => statSync(path).size === size),
        );
        if (!there || !stored) throw new Error("the file is not there");
        // a clone is another inode, and takes no blocks
        const grown = free - freeBytes(place.directory);
        if (statSync(there).ino !== statSync(stored).ino && grown > size / 2) throw new Error("the bytes were copied");
      };
      const contest = await raceClient(place, {
        server: "default",
        call: ["artifacts", input],
        log: [input],
        sharesDisk: true,
        keepStore: true,
        check,
      });
      const { before } = contest.coffer;
      const coffer: Contestant = {
        ...contest.coffer,
        async before() {
          await before?.();
          free = freeBytes(place.directory);
        },
      };
      return { coffer, reference: { command: ["cp", "--reflink=never", file, join(place.directory, "copy")] } };
    },
  };
}

function overTls(name: string, what: string, size: number): Subject {
  const plain = upload(name, what, { count: 1, size, goal: { memory: 150e6 }, rounds: 2 });
  return {
    ...plain,
    async prepare(place) {
      const server = await benchServer("default", place.directory);
      const tls = await tlsProxy(server.uri, await installMlflow(console.error));
      endWithServers(tls);
      const race = { uri: tls.uri, env: { MLFLOW_TRACKING_SERVER_CERT_PATH: tls.certificate }, keepStore: true };
      return upload(name, what, { count: 1, size, goal: plain.goal, rounds: plain.rounds, race }).prepare(place);
    },
  };
}
