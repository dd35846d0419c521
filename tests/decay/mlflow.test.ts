import { expect, test } from "bun:test";
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { place } from "../cli/run-place.ts";
import { coffer } from "../support/coffer.ts";
import { mlflow, needsMlflow } from "../support/mlflow.ts";
import { stableDump } from "../manifest/stable-dump.ts";

/* What a real server has of lost bytes comes back: a file, a file of a directory, and a directory of which neither list nor files are left. */

interface Report {
  damage: { what: string; artifacts: { ref: string }[] }[];
  repair: { repaired: { from: string; source: string }[] } | null;
}

const flip = (path: string, at: number): void => {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ 4;
  chmodSync(path, 0o644);
  writeFileSync(path, bytes);
  chmodSync(path, 0o444);
};
const inside = (root: string, word: string): string => {
  const below = join(root, "binaries/default");
  return join(below, (readdirSync(below, { recursive: true }) as string[]).find((name) => name.endsWith(word)) as string);
};
const DAMAGES: Record<string, (root: string) => void> = {
  "a deleted file": (root) => rmSync(inside(root, ".bin")),
  "a flipped byte in a file": (root) => flip(inside(root, ".bin"), 5),
  "a flipped byte in a member": (root) => flip(inside(root, ".tar"), 512 * 5 + 2),
  "a flipped byte in each list": (root) => {
    const pack = inside(root, ".tar");
    const bytes = readFileSync(pack);
    for (let at = bytes.indexOf("coffer tree 1\n"); at >= 0; at = bytes.indexOf("coffer tree 1\n", at + 1)) flip(pack, at + 30);
  },
  "a pack that is cut short": (root) => {
    chmodSync(inside(root, ".tar"), 0o644);
    truncateSync(inside(root, ".tar"), 9000);
  },
  "a deleted pack, with its list": (root) => rmSync(inside(root, ".tar")),
  "all bytes of the store": (root) => rmSync(join(root, "binaries"), { recursive: true }),
};

for (const kind of ["proxied", "shared"] as const)
  needsMlflow(test)(
    `what a ${kind} server has is brought back, whatever was lost`,
    async () => {
      using here = place();
      const env = {
        MLFLOW_TRACKING_URI: mlflow[kind].uri,
        MLFLOW_EXPERIMENT_NAME: `decay ${Bun.randomUUIDv7()}`,
        ...(kind === "shared" && { MLFLOW_DEFAULT_ARTIFACT_ROOT: mlflow.shared.artifacts }),
      };
      const script =
        "head -c 200000 /dev/urandom >$W/m.bin; mkdir -p $W/many/in $W/few; for i in $(seq 40); do echo file $i >$W/many/in/$i.txt; done; echo 1 >$W/few/one; echo 2 >$W/few/two";
      const run = await here.run(script, ["--register", "model=m.bin", "--register", "many=many"], { env });
      expect(run.code).toBe(0);
      rmSync(join(here.root, "work"), { recursive: true });
      for (const [what, hurt] of Object.entries(DAMAGES)) {
        const root = here.at("copy");
        cpSync(here.root, root, { recursive: true });
        const call = (...args: string[]) => coffer([...args, "--json"], { root, cwd: here.path, env });
        await call("verify");
        const dump = stableDump(join(root, "coffer.db"));
        hurt(root);
        const found = await call("verify");
        expect([
          what,
          found.code,
          found.json<Report>().damage.every(({ artifacts, what: kinds }) => kinds === "pack" || artifacts.length > 0),
        ]).toEqual([what, 1, true]);
        const done = await call("verify", "--repair");
        expect([what, done.code, done.stderr, done.json<Report>().damage]).toMatchObject([what, 0, expect.any(String), []]);
        const from = new Set(done.json<Report>().repair?.repaired.map((one) => one.from));
        expect([what, [...from].filter((one) => one !== "itself")]).toEqual([what, ["mlflow"]]);
        expect([what, (await call("verify")).code]).toEqual([what, 0]);
        const after = stableDump(join(root, "coffer.db"));
        for (const table of Object.keys(dump))
          if (table !== "blobs" && table !== "packs") expect([what, table, after[table]]).toEqual([what, table, dump[table]]);
        rmSync(root, { recursive: true });
      }
    },
    120_000,
  );
