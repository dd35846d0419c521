import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { coffer } from "../support/coffer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

test("planted secrets reach neither database, manifests, logs nor words, whichever flag they come by", async () => {
  using root = temporaryRoot();
  const work = root.at("project");
  mkdirSync(work);
  const secret = "SEKRET-5f2c9e";
  const env = { MY_API_TOKEN: secret, MLFLOW_TRACKING_URI: `http://user:${secret}@127.0.0.1:9` };
  const options = { root: root.at("store"), cwd: work, env };
  const given = [
    ...["--param", `api_key=${secret}`, "--tag", `password=${secret}`, "--param", `text=uses ${secret} here`, "--note", `with ${secret}`],
    ...["--sync", "never"],
  ];
  const run = await coffer(["run", ...given, "--", "sh", "-c", "true", "--token", secret, `--password=${secret}`], options);
  const log = await coffer(["log", "--param", `token=${secret}`, "--tag", `PGPASSWORD=${secret}`, "--json"], options);
  expect([run.code, log.code]).toEqual([0, 0]);
  const show = await coffer(["config", "show"], options);
  for (const words of [run.stdout, run.stderr, log.stdout, log.stderr, show.stdout, show.stderr]) expect(words).not.toContain(secret);
  for (const entry of readdirSync(root.at("store"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    expect([path, readFileSync(path).includes(secret)]).toEqual([path, false]);
  }
});
