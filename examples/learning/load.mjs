import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** What `coffer load` finds, parsed: one value for each path that it prints. Inside a run all of it becomes the run's input. */
export function load(...flags) {
  const { status, stdout } = spawnSync("coffer", ["load", ...flags], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  // coffer has said why
  if (status !== 0) process.exit(status ?? 1);
  return stdout.trimEnd().split("\n").map(readJson);
}

export function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}
