import * as artifacts from "../db/records/artifacts.ts";
import * as damage from "../db/bytes/damage.ts";
import { leaves } from "../config/sections.ts";
import { CofferError } from "../domain/error.ts";
import { formatBytes, formatDuration } from "../domain/quantity.ts";
import { describeRun } from "../registry/describe-run.ts";
import type { RunRecord } from "../registry/describe-run.ts";
import { describeArtifact } from "../registry/describe.ts";
import type { ArtifactRecord } from "../registry/describe.ts";
import { resolve } from "../registry/resolve.ts";
import type { Resolved } from "../registry/resolve.ts";
import { decodeTree } from "../blobs/decode-tree.ts";
import type { TreeEntry } from "../blobs/tree.ts";
import { blobRow, readChecked } from "../store/read.ts";
import type { Store } from "../store/store.ts";
import { command } from "./command.ts";
import { fields, table } from "./table.ts";

export default command(
  {
    positionals: [
      { name: "REF", description: "a run or an artifact: id, name, name@v3, name@alias, RUN/path, blake3:PREFIX", required: true },
    ],
    flags: { files: { type: "boolean", description: "list a directory's files" } },
    examples: [
      ["coffer show churn-model", "the newest version"],
      ["coffer show 0192f", "a run, by the beginning of its id"],
    ],
    exits: { "4": "there is no such run or artifact" },
  },
  async ({ flags, positionals, io }) => {
    using store = await io.openStore({ make: false, access: "read" });
    const found = find(store, positionals[0] as string);
    if (found.kind === "run") {
      io.print({ schema: "coffer.run/1", ...describeRun(store, found.run) }, (run) => renderRun(run, damagedOf(store, found.run.seq)));
      return;
    }
    const { artifact } = found;
    const entries =
      flags.files && artifact.kind === "tree" && artifact.blob !== null
        ? decodeTree(await readChecked(store, blobRow(store, artifact.blob)))
        : undefined;
    io.print(
      {
        schema: "coffer.artifact/1",
        ...describeArtifact(store, artifact),
        versions: artifact.name === null ? undefined : artifacts.versionsOfName(store.db, artifact.name),
        entries,
      },
      (record) => renderArtifact(record) + renderEntries(record.entries),
    );
  },
);

/** What is in sight comes first; what was removed, withdrawn or deleted can be shown too. */
function find(store: Store, ref: string): Resolved {
  try {
    return resolve(store, ref);
  } catch (error) {
    if (!(error instanceof CofferError) || error.code !== "NOT_FOUND") throw error;
    return resolve(store, ref, "any");
  }
}

/** Ids and versions of the artifacts of a run whose bytes are known to be damaged. */
function damagedOf(store: Store, run: number): Set<string> {
  const hurt = damage.allWithDirectories(store.db);
  const its = hurt.size === 0 ? [] : artifacts.ofRun(store.db, run, "kept");
  return new Set(its.flatMap(({ id, version, blob }) => (blob !== null && hurt.has(blob) ? [`${id} ${version}`] : [])));
}

function renderRun(run: RunRecord, damaged: ReadonlySet<string>): string {
  const code =
    run.code.commit === null
      ? undefined
      : `${run.code.commit.slice(0, 12)}${run.code.branch ? ` on ${run.code.branch}` : ""}${run.code.dirty ? ", with changes" : ""}`;
  return [
    fields([
      ["run", run.id],
      ["name", run.name],
      ["state", run.state + stateNote(run)],
      ["command", run.command?.join(" ")],
      ["directory", run.directory],
      ["started", run.started_at],
      ["took", run.seconds === null ? undefined : formatDuration(run.seconds * 1000)],
      ["exit code", run.exit_code],
      ["signal", run.signal],
      ["pipeline", run.pipeline],
      ["dataset", run.dataset],
      ["parent", run.parent],
      ["workspace", run.workspace_state === null ? undefined : `${run.workspace} (${run.workspace_state}, policy ${run.policy})`],
      ["code", code],
      ["host", [run.user, run.host].filter((part) => part !== null).join("@")],
      [
        "cpu",
        run.resources.cpu_user_ms === null
          ? undefined
          : `${formatDuration(run.resources.cpu_user_ms)} user, ${formatDuration(run.resources.cpu_system_ms ?? 0)} system`,
      ],
      ["peak memory", run.resources.max_rss === null ? undefined : formatBytes(run.resources.max_rss)],
      ["note", run.note],
    ]),
    section("params", run.params),
    section("metrics", run.metrics),
    section("tags", run.tags),
    run.inputs.length === 0
      ? ""
      : `\n${table(
          ["INPUT", "SIZE", "DIGEST", ""],
          run.inputs.map((input) => [
            input.artifact ?? input.path ?? "",
            formatBytes(input.size),
            input.digest.slice(0, 19),
            input.changed ? "changed during the run" : "",
          ]),
          "",
        )}`,
    run.artifacts.length === 0
      ? ""
      : `\n${table(
          ["ARTIFACT", "TYPE", "SIZE", "STATE"],
          run.artifacts.map((row) => [
            row.name === null ? row.path : row.ref,
            row.type,
            formatBytes(row.size),
            [row.state === "live" ? "" : row.state, damaged.has(`${row.id} ${row.version}`) ? "damaged" : ""]
              .filter((word) => word !== "")
              .join(", "),
          ]),
          "",
        )}`,
    run.deliveries.length === 0
      ? ""
      : `\n${table(
          ["MLFLOW", "EXPERIMENT", "STATE", "RUN", ""],
          run.deliveries.map((row) => [
            row.target,
            row.experiment,
            row.waiting > 0 ? `${row.state} (${row.waiting} left)` : row.state,
            row.remote_run ?? "",
            row.last_error ?? "",
          ]),
          "",
        )}`,
    renderConfiguration(run.configuration),
    renderEvents(run.events),
  ].join("");
}

function stateNote(run: RunRecord): string {
  const also = [
    run.adopted && "adopted: its wrapper had died",
    run.wrapper_lost && "its wrapper has died: the next command after its end closes it",
    run.incomplete && "not all of it could be stored, see its events",
  ].filter(Boolean);
  return also.length === 0 ? "" : ` (${also.join("; ")})`;
}

function renderArtifact(artifact: ArtifactRecord & { versions: number[] | undefined }): string {
  return [
    fields([
      ["artifact", artifact.id],
      ["name", artifact.name === null ? undefined : artifact.ref],
      ["versions", artifact.versions?.slice(0, 20).map((version) => `v${version}`)],
      ["aliases", artifact.aliases],
      ["state", `${artifact.state}${artifact.pinned ? ", pinned" : ""}`],
      ["type", artifact.class === null ? artifact.type : `${artifact.type} (${artifact.class})`],
      ["size", artifact.kind === "tree" ? `${formatBytes(artifact.size)} in ${artifact.files} files` : formatBytes(artifact.size)],
      ["digest", artifact.digest],
      ["damaged", damageWords(artifact)],
      ["path", artifact.path],
      ["run", artifact.run],
      ["created", artifact.created_at],
      ["dataset", artifact.dataset],
      ["pipeline", placeOf(artifact)],
      ["description", artifact.description],
      ["code", artifact.code_commit],
    ]),
    renderDependencies(artifact),
    section("params", artifact.params),
    section("metrics", artifact.metrics),
    section("tags", artifact.tags),
    section("params of the run", artifact.run_params),
    section("metrics of the run", artifact.run_metrics),
    section("tags of the run", artifact.run_tags),
    renderConfiguration(artifact.configuration),
    renderEvents(artifact.events),
  ].join("");
}

function damageWords({ kind, damage: [first, ...more] }: ArtifactRecord): string | undefined {
  if (!first) return undefined;
  const what = kind === "file" ? first.what : `${first.digest} in it is ${first.what}`;
  return `${what}${more.length > 0 ? `, and ${more.length} more` : ""}: coffer verify --repair looks for another copy`;
}

/** `pls, branch 0:2, step 3.1, fold 4`. */
function placeOf({
  pipeline_id: pipeline,
  branch_path: branch,
  step_index: step,
  sub_step: subStep,
  fold_id: fold,
}: ArtifactRecord): string | null {
  if (pipeline === null) return null;
  return [
    pipeline,
    ...(branch.length > 0 ? [`branch ${branch.join(":")}`] : []),
    ...(step === null ? [] : [`step ${step}${subStep === null ? "" : `.${subStep}`}`]),
    ...(fold === null ? [] : [`fold ${fold}`]),
  ].join(", ");
}

function renderDependencies({ dependencies, meta_config: meta }: ArtifactRecord): string {
  const sources = meta?.source_models.map(({ artifact_id, feature_index }, place) => [
    `${feature_index}`,
    artifact_id,
    meta.feature_columns.length === meta.source_models.length ? (meta.feature_columns[place] as string) : "",
  ]);
  return [
    sources === undefined ? "" : `\n${table(["FEATURE", "SOURCE", "COLUMN"], sources, "")}`,
    dependencies.length === 0
      ? ""
      : `\n${table(
          ["DEPENDS ON", "AS", ""],
          dependencies.map((one) => [
            one.ref,
            one.role,
            [one.implicit && "the run read it", one.changed && "it changed meanwhile", one.state !== "live" && one.state]
              .filter(Boolean)
              .join(", "),
          ]),
          "",
        )}`,
  ].join("");
}

function renderEntries(entries: readonly TreeEntry[] | undefined): string {
  if (!entries) return "";
  return `\n${table(
    ["FILE", "SIZE"],
    entries.map((entry) => [
      entry.kind === "link" ? `${entry.path} -> ${entry.target}` : entry.path + (entry.kind === "directory" ? "/" : ""),
      entry.kind === "file" ? formatBytes(entry.size) : "",
    ]),
    "an empty directory",
  )}`;
}

function section(title: string, values: Record<string, unknown>): string {
  const pairs = Object.entries(values);
  return pairs.length === 0 ? "" : `\n${title}\n${fields(pairs.map(([key, value]) => [`  ${key}`, value]))}`;
}

function renderConfiguration(configuration: unknown): string {
  return section("configuration of the run", Object.fromEntries(leaves((configuration ?? {}) as object)));
}

function renderEvents(events: readonly { at: number; kind: string; message: string }[]): string {
  return events.length === 0
    ? ""
    : `\nevents\n${events.map((event) => `  ${new Date(event.at).toISOString().slice(0, 19)}  ${event.kind}: ${event.message}\n`).join("")}`;
}
