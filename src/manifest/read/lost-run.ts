import * as v from "valibot";
import { ARTIFACT_TYPES } from "../../domain/artifact-type.ts";
import { checkArtifactPath } from "../../domain/names.ts";
import { reason } from "../../domain/error.ts";
import { parseManifest } from "./parse-manifest.ts";

/*
 * What `manifests/<run id>.yaml` says of a run, as run-manifest.ts writes it. A key that older manifests lack is optional; whatever would break a rule of the
 * database makes the manifest unreadable as a whole.
 */

const whole = v.pipe(v.number(), v.safeInteger());
const count = v.pipe(whole, v.minValue(0));
const text = v.nullable(v.string());
const maybe = v.nullable(whole);
const flag = v.picklist([0, 1]);
const hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const digest = v.pipe(v.string(), v.regex(/^(?:blake3|sha256):[0-9a-f]{64}$/));
const branch = v.array(whole);
/** A record of valibot would leave out keys such as “constructor”. */
const json = v.custom<Record<string, unknown>>((given) => isMap(given), "no map");
const pairs = v.custom<Record<string, string>>(
  (given) => isMap(given) && Object.values(given).every((value) => typeof value === "string"),
  "no map of texts",
);
/** NaN is no number to valibot. */
const number = v.nullable(v.union([v.number(), v.nan()]));

export const Delivery = v.object({
  target: v.string(),
  experiment: v.string(),
  state: v.picklist(["pending", "synced", "refused", "forgotten"]),
  remote_experiment: v.optional(text, null),
  remote_run: v.optional(text, null),
  artifact_uri: v.optional(text, null),
  points_sent: v.optional(count, 0),
  note_sent: v.optional(text, null),
  attached: v.optional(flag, 0),
  tries: v.optional(count, 0),
  retried: v.optional(count, 0),
  late_runs: v.optional(count, 0),
  late_models: v.optional(count, 0),
  last_error: v.optional(text, null),
  updated_at: v.optional(whole, 0),
  synced_at: v.optional(maybe, null),
  entries: v.optional(
    v.array(
      v.strictTuple([
        v.picklist(["run", "params", "tags", "metrics", "inputs", "artifact", "models", "end"]),
        text,
        maybe,
        count,
        count,
        text,
        text,
        maybe,
      ]),
    ),
    [],
  ),
});

export const Run = v.object({
  seq: v.optional(count),
  // it is the name of its manifest
  id: v.pipe(v.string(), v.regex(/^[^./\\\0][^/\\\0]{0,199}$/, "no id of a run")),
  kind: v.picklist(["wrapped", "log", "import"]),
  name: text,
  parent: text,
  state: v.picklist(["finished", "failed", "killed"]),
  adopted: count,
  exit_code: maybe,
  signal: text,
  started_at: whole,
  ended_at: maybe,
  command: v.nullable(v.array(v.string())),
  directory: text,
  host: text,
  user: text,
  environment: json,
  policy: v.nullable(v.picklist(["separated", "scratch"])),
  workspace: text,
  workspace_state: v.nullable(v.picklist(["present", "removing", "removed"])),
  dataset: text,
  pipeline: text,
  branch,
  step: maybe,
  sub_step: maybe,
  fold: maybe,
  code_commit: text,
  code_branch: text,
  code_remote: text,
  code_dirty: maybe,
  cpu_user_ms: maybe,
  cpu_system_ms: maybe,
  max_rss: maybe,
  note: text,
  configuration: json,
  removed_at: maybe,
  extra: v.optional(json, {}),
  params: pairs,
  tags: pairs,
  metrics: v.array(v.strictTuple([v.string(), number, whole, whole])),
  inputs: v.array(
    v.object({ artifact: text, path: text, digest: v.string(), size: count, how: v.picklist(["declared", "got"]), changed: count }),
  ),
  deliveries: v.optional(v.array(Delivery), []),
  events: v.optional(v.array(v.strictTuple([whole, v.string(), v.string(), text])), []),
});

const stamp = v.pipe(
  v.string(),
  v.regex(/^[0-9]{1,19}$/),
  v.transform((digits) => BigInt(digits)),
);
const Foreign = v.object({
  path: v.string(),
  state: v.picklist(["live", "unverified", "condemned", "trashed"]),
  size: v.optional(count),
  blake3: v.nullable(hex),
  sha256: v.nullable(hex),
  dataset: v.string(),
  created_at: v.optional(whole),
  stamp: v.optional(v.nullable(v.strictTuple([stamp, stamp, stamp])), null),
});

export const Artifact = v.object({
  seq: v.optional(count),
  uid: v.pipe(v.string(), v.nonEmpty()),
  artifact_id: v.string(),
  name: text,
  version: v.pipe(whole, v.minValue(1)),
  state: v.picklist(["live", "withdrawn", "removed", "deleted"]),
  state_at: whole,
  role: v.picklist(["output", "logged", "log", "code", "imported"]),
  deliver: flag,
  kind: v.picklist(["file", "tree"]),
  digest,
  size: count,
  files: count,
  mode: count,
  path: v.pipe(v.string(), v.check(isInside, "it leaves its run")),
  type: v.picklist(ARTIFACT_TYPES),
  class: text,
  dataset: text,
  pipeline: text,
  branch,
  step: maybe,
  sub_step: maybe,
  fold: maybe,
  format: text,
  format_version: text,
  description: text,
  params: json,
  metrics: json,
  feature_columns: v.nullable(v.array(v.string())),
  code_commit: text,
  created_at: whole,
  extra: json,
  tags: pairs,
  edges: v.array(v.object({ to: v.string(), role: v.string(), position: v.optional(whole), implicit: v.boolean(), changed: v.boolean() })),
  meta_sources: v.array(v.object({ feature_index: count, source: v.string() })),
  sha256: v.optional(hex),
  list_size: v.optional(count),
  foreign: v.optional(Foreign),
});

const Manifest = v.object({
  coffer: v.object({
    store: v.optional(v.object({ id: v.string(), created_at: whole })),
    journal: v.optional(count),
    run: Run,
    artifacts: v.array(Artifact),
    complete: v.literal(true),
  }),
});

export type LostRun = v.InferOutput<typeof Manifest>["coffer"];
export type LostArtifact = LostRun["artifacts"][number];

/** What a manifest of the store says; or why it cannot be told. */
export function readLostRun(source: string, path: string): LostRun | string {
  let tree: unknown;
  try {
    tree = parseManifest(ownBlock(source), path).tree;
  } catch (error) {
    return reason(error);
  }
  const result = v.safeParse(Manifest, tree, { abortEarly: true });
  if (result.success) return result.output.coffer;
  const [issue] = result.issues;
  return `${v.getDotPath<typeof Manifest>(issue) ?? "it"}: ${issue.message}`;
}

/** The format's own list of items, which stands before it, says nothing more: to leave it out halves the time. */
function ownBlock(source: string): string {
  const at = source.endsWith("\n  complete: true\n") ? source.indexOf("\ncoffer:\n") : -1;
  return source.slice(at + 1);
}

function isInside(path: string): boolean {
  try {
    return checkArtifactPath(path) !== "";
  } catch {
    return false;
  }
}

function isMap(given: unknown): given is Record<string, unknown> {
  return typeof given === "object" && given !== null && !Array.isArray(given);
}
