import { join } from "node:path";
import { runToEnd } from "../parts/run-to-end.ts";
import type { Peer } from "../peers/peer.ts";
import { besideAgain } from "./beside.ts";
import { freshRounds, retireDirectory } from "./fresh-directory.ts";
import { settle, writeRandomFiles } from "./random-files.ts";
import type { Subject } from "./subject.ts";

const FILES = 100_000;
const SIZE = 1 << 10;

export const getSmall: Subject = {
  name: "get-small",
  what: `coffer get -o of ${FILES.toLocaleString("en")} × 1 KiB, hashed on the way`,
  reference: "cp -r",
  goal: { times: 1.1 },
  memory: 120e6,
  rounds: 5,
  growth: { sizes: [FILES / 100, FILES / 10, FILES], unit: "files" },
  async prepare(place, files = FILES) {
    const { directory, coffer } = place;
    const input = join(directory, "input");
    await writeRandomFiles(input, files, SIZE);
    const env = { HOME: directory, COFFER_ROOT: join(directory, "root") };
    const log = Bun.spawn([coffer, "log", input, "--name", "small", "--quiet"], {
      stdio: ["ignore", "ignore", "inherit"],
      cwd: directory,
      env,
    });
    if ((await log.exited) !== 0) throw new Error("coffer log failed");
    const round = join(directory, "round");
    const [ours, theirs] = [join(round, "ours"), join(round, "theirs")];
    const fresh = freshRounds(round);
    return {
      coffer: { command: [coffer, "get", "small", "-o", ours], cwd: directory, env, ...fresh },
      reference: { command: ["cp", "-r", input, theirs], cwd: directory, ...fresh },
      peers: await besideAgain(
        place,
        ["dvc-checkout"],
        async (home) => {
          await writeRandomFiles(join(home, "input"), files, SIZE);
          const { command, env } = (await place.peers.get("dvc")) as Peer;
          await runToEnd(command, "dvc add failed", home, { PATH: process.env["PATH"] ?? "", ...env(home) });
        },
        async (home) => {
          // out of its repository, which it walks through
          retireDirectory(join(home, "input"), directory);
          await settle(directory);
        },
      ),
    };
  },
};
