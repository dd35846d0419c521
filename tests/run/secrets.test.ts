import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
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
  writeFileSync(join(work, "base"), "b");
  await coffer(["log", "base", "--name", "base"], options);
  const log = await coffer(["log", "--param", `token=${secret}`, "--tag", `PGPASSWORD=${secret}`, "--json"], options);
  expect([run.code, log.code]).toEqual([0, 0]);
  const said = ["description", "class", "format", "format-version"].flatMap((flag) => [`--${flag}`, `of ${secret}`]);
  writeFileSync(join(work, "f"), "x");
  const kept = await coffer(
    ["log", "f", "--name", "kept", ...said, "--artifact-tag", `t=${secret}`, "--depends-on", `${secret}=base`],
    options,
  );
  const pin = await coffer(["pin", "kept", "--note", `for ${secret}`], options);
  const tag = await coffer(["tag", "kept", `where=${secret}`], options);
  const items = [
    {
      artifact_id: "m",
      path: "m.bin",
      class_name: secret,
      format: secret,
      params: { deep: [{ url: `https://u:${secret}@h` }] },
      more: secret,
    },
  ];
  writeFileSync(join(work, "manifest"), JSON.stringify({ schema_version: "2.0", artifacts: { items } }));
  const script = `cp manifest "$COFFER_WORKSPACE/manifest.yaml"; cd "$COFFER_WORKSPACE" && echo m >m.bin && echo '{"text": "'$MY_API_TOKEN'"}' >params.json`;
  const scripted = await coffer(
    ["run", "--name", `with ${secret}`, "--sync", "never", "--policy", "scratch", "--output", "m.bin", "--", "sh", "-c", script],
    options,
  );
  expect([kept, pin, tag, scripted].map(({ code, stderr }) => [code, stderr])).toEqual(
    [kept, pin, tag, scripted].map(({ stderr }) => [0, stderr]),
  );
  const show = await coffer(["config", "show"], options);
  for (const words of [run.stdout, run.stderr, log.stdout, log.stderr, show.stdout, show.stderr]) expect(words).not.toContain(secret);
  for (const entry of readdirSync(root.at("store"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    expect([path, readFileSync(path).includes(secret)]).toEqual([path, false]);
  }
});
