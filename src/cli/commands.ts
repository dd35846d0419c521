import type { Command } from "./command.ts";

interface Entry {
  summary: string;
  /** Loaded when it is called, so that a start costs the same whatever the others weigh. */
  load: () => Promise<{ default: Command }>;
}

/** Every command by the words that call it. */
export const COMMANDS: Record<string, Entry> = {
  run: { summary: "wrap a command as a run and keep what it produces", load: () => import("./run.ts") },
  log: { summary: "record files, directories, metrics, params and tags on a run", load: () => import("./log.ts") },
  runs: { summary: "list runs", load: () => import("./runs.ts") },
  "runs close": { summary: "end a run whose wrapper is known to be dead", load: () => import("./runs/close.ts") },
  ls: { summary: "list artifacts: by name, type, run, tag, condition", load: () => import("./ls.ts") },
  show: { summary: "everything about one run or artifact", load: () => import("./show.ts") },
  get: { summary: "the path of an artifact's bytes, or a copy of them", load: () => import("./get.ts") },
  load: { summary: "paths of a step's records by branch and fold, or of a meta-model's sources", load: () => import("./load.ts") },
  diff: { summary: "what differs between two runs", load: () => import("./diff.ts") },
  lineage: { summary: "what an artifact was made from, and what was made from it", load: () => import("./lineage.ts") },
  alias: { summary: "point a name at one version, such as NAME@best", load: () => import("./alias.ts") },
  pin: { summary: "protect an artifact from all pruning", load: () => import("./pin.ts") },
  unpin: { summary: "take the protection away", load: () => import("./unpin.ts") },
  tag: { summary: "tag a run or an artifact", load: () => import("./tag.ts") },
  rm: { summary: "take a run, an artifact or a pipeline out of sight", load: () => import("./rm.ts") },
  restore: { summary: "bring back what rm or a failed run took out of sight", load: () => import("./restore.ts") },
  gc: { summary: "what can be pruned and why; --apply prunes it", load: () => import("./gc.ts") },
  "gc why": { summary: "what keeps an artifact, or what would take it and when", load: () => import("./gc/why.ts") },
  "artifacts list-orphaned": {
    summary: "files and bytes that nothing names, with their sizes",
    load: () => import("./artifacts/list-orphaned.ts"),
  },
  "artifacts cleanup": { summary: "the same; --force deletes exactly that list", load: () => import("./artifacts/cleanup.ts") },
  "artifacts stats": { summary: "what a dataset's artifacts are and take", load: () => import("./artifacts/stats.ts") },
  "artifacts purge": { summary: "take a whole dataset; --force --yes does it", load: () => import("./artifacts/purge.ts") },
  "sync-mlflow": { summary: "deliver to MLflow what it has not been told yet", load: () => import("./sync-mlflow.ts") },
  stats: { summary: "what takes how much room, and where", load: () => import("./stats.ts") },
  "cache stats": { summary: "how full the cache is, what set its limits, how often it served", load: () => import("./cache/stats.ts") },
  "cache preload": { summary: "make copies before they are asked for", load: () => import("./cache/preload.ts") },
  "cache set-size": { summary: "limits of the cache that stay with this store", load: () => import("./cache/set-size.ts") },
  "cache clear": { summary: "take every copy that nobody else holds", load: () => import("./cache/clear.ts") },
  backup: { summary: "a copy of the database, and of the bytes too, while others work", load: () => import("./backup.ts") },
  verify: { summary: "read every byte again and say what is damaged", load: () => import("./verify.ts") },
  rebuild: {
    summary: "make a lost database again from manifests, journal and bytes",
    load: () => import("./rebuild.ts"),
  },
  "manifest export": { summary: "runs and their artifacts as YAML manifests", load: () => import("./manifest/export.ts") },
  "manifest import": {
    summary: "take over artifacts from YAML manifests of another workspace",
    load: () => import("./manifest/import.ts"),
  },
  "config show": { summary: "each value of the configuration with where it came from", load: () => import("./config/show.ts") },
  "config validate": {
    summary: "check the configuration; every problem with file, line and column",
    load: () => import("./config/validate.ts"),
  },
  "config schema": { summary: "JSON Schema of coffer.yaml, for editors", load: () => import("./config/schema.ts") },
  doctor: { summary: "what works here and on the server, and what to do about the rest", load: () => import("./doctor.ts") },
  init: { summary: "start a project: a commented coffer.yaml, and the store left out of git", load: () => import("./init.ts") },
  completions: { summary: "completion for bash, zsh or fish", load: () => import("./completions.ts") },
};
