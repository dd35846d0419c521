import * as v from "valibot";
import { bytes, choice, count, days, duration, filled, patterns, text, toggle } from "./leaf.ts";

/**
 * The checked configuration. Sizes are bytes, durations milliseconds. `null` among the limits means no limit.
 * `workspace.root` and `tracking.mlflow.artifact_root` are null only before the settings are loaded: then they are derived from the store's root.
 */
export type Config = v.InferOutput<ReturnType<typeof configSchema>>;

/** The one schema of `coffer.yaml`: all keys, what they mean, and their defaults as a person would write them. */
export function configSchema() {
  return section("coffer's configuration", {
    artifact_store: section("where artifacts are kept, and what may be pruned; a bare text in place of the section is its root_path", {
      type: keyed(
        choice(["local", "s3", "gcs", "azure"], "where bytes are kept: on a local disk; s3, gcs and azure are known by name, and refused"),
        "local",
      ),
      root_path: keyed(filled("the store's root, relative to this file (COFFER_ROOT, --root)"), "./artifacts"),
      versioning_enabled: keyed(toggle("false: a new version of a name replaces the old one"), true),
      metadata_backend: keyed(choice(["sqlite"], "what holds the metadata"), "sqlite"),
      database_journal: keyed(
        choice(
          ["auto", "wal", "rollback"],
          "how commits of the database survive a crash: by a write-ahead log, which needs a file system of this machine alone; by a rollback journal, which works on network ones too; auto: by what the root lies on",
        ),
        "auto",
      ),
      busy_timeout: keyed(duration("how long to wait for another process that writes to the database"), "1m"),
      max_dependency_depth: keyed(count({ min: 1, max: 100_000 }, "longest chain of explicit dependencies"), 100),
      cleanup_policy: section("what coffer gc may prune; each rule is its own switch", {
        enabled: keyed(toggle("false: no rule below but grace and orphans holds, until a flag of coffer gc names it"), false),
        max_versions_per_artifact: limit(count({ min: 1, max: 1_000_000_000 }, "older versions of a name go; null: no limit"), 10),
        max_age_days: limit(days("older versions go, never the newest; null: no limit"), 90),
        max_size: limit(bytes("the store's bytes: what was used longest ago goes first; null: no limit"), "50GB"),
        orphans: keyed(toggle("files that no row names"), true),
        failed_runs_days: limit(days("what failed runs registered goes after this many days; null: never"), 7),
        workspaces_days: limit(days("workspaces of finished runs whose outputs are all stored go after this many days; null: never"), null),
        grace: keyed(duration("bytes that no row names are left alone for so long"), "1h"),
      }),
    }),
    workspace: section("the directories that runs write to", {
      policy: keyed(
        choice(["separated", "scratch"], "separated: the workspace stays; scratch: it goes once its outputs are durable"),
        "separated",
      ),
      root: keyed(
        v.nullable(filled("a run's workspace is <root>/runs/<run id>; null: work in the store's root (CORE_ARTIFACT_ROOT)")),
        null,
      ),
      retain: keyed(patterns("what a scratch workspace keeps"), ["*.log"]),
      ignore: keyed(patterns("what is no output"), [".tmp", "__pycache__"]),
      hash_ahead: keyed(
        toggle(
          "true: large outputs that are finished while the command still runs are read then, at the lowest priority, so that its end need not wait",
        ),
        true,
      ),
    }),
    tracking: section("what MLflow is told", {
      mlflow: section("the server", {
        uri: keyed(text("the tracking server; empty: none (MLFLOW_TRACKING_URI)"), ""),
        experiment: keyed(filled("the experiment that runs go to (MLFLOW_EXPERIMENT_NAME)"), "Default"),
        artifact_root: keyed(
          v.nullable(
            filled(
              "where the server keeps artifacts, when that disk is seen from here; null: mlruns in the store's root (MLFLOW_DEFAULT_ARTIFACT_ROOT)",
            ),
          ),
          null,
        ),
        sync: keyed(
          choice(
            ["never", "after", "required"],
            "deliver when a run has ended: never; after, for 30 s at most, 5 s where no server answers; required, until all is delivered, 15 s where none answers",
          ),
          "after",
        ),
        share: keyed(choice(["auto", "clone", "link", "copy"], "how bytes get to a disk that the server shares"), "auto"),
        jobs: keyed(count({ min: 1, max: 256 }, "uploads at once"), 16),
      }),
      training: section("uploads of “log --stage training”", {
        enabled: keyed(toggle("false: nothing of this stage is uploaded"), true),
        log_checkpoint: keyed(toggle("upload checkpoints"), true),
        log_metrics_json: keyed(toggle("upload the metrics file"), true),
      }),
      conversion: section("uploads of “log --stage conversion”", {
        enabled: keyed(toggle("false: nothing of this stage is uploaded"), true),
        log_onnx_model: keyed(toggle("upload the ONNX model"), true),
        log_conversion_log: keyed(toggle("upload the log of the conversion"), true),
      }),
      benchmark: section("uploads of “log --stage benchmark”", {
        enabled: keyed(toggle("false: nothing of this stage is uploaded"), true),
        log_artifacts: keyed(toggle("upload the results"), true),
      }),
      hpo: section("uploads of “log --stage hpo”", {
        enabled: keyed(toggle("false: nothing of this stage is uploaded"), true),
        log_checkpoint: keyed(toggle("upload checkpoints of trials"), true),
      }),
      skip: section("what stages and the directories that they log leave out; each skip is said", {
        patterns: keyed(patterns("names: of a file, or of a directory with all in it"), [
          "*.tmp",
          ".cache",
          "*.pyc",
          "*.log",
          "__pycache__",
        ]),
        max_size: limit(bytes("larger files, unless their names say that they are models; null: no limit"), "100MiB"),
        keep: keyed(patterns("never left out, whatever name or size"), [
          "*_model*.bin",
          "optimizer.bin",
          "*.distcp",
          "*.data-*-of-*",
          "*.onnx_data",
          "*.onnx.data",
          "*.pb",
          "*.tflite",
        ]),
      }),
    }),
    cache: section("plain copies made for readers; the least recently used goes first", {
      max_size: keyed(bytes("bytes at most"), "10GB"),
      max_entries: keyed(count({ min: 0, max: 1_000_000_000 }, "entries at most; 0 turns the cache off"), 100),
    }),
  });
}

/** Empty (null) or left out, a section means its defaults, and so does a key. */
function section<E extends v.ObjectEntries>(description: string, entries: E) {
  return v.nullish(v.pipe(v.strictObject(entries), v.description(description)), {} as v.InferInput<v.StrictObjectSchema<E, undefined>>);
}

function keyed<S extends v.GenericSchema, const D extends v.InferInput<S>>(leaf: S, whenMissing: D) {
  return v.nullish(leaf, whenMissing);
}

/** A limit that null takes away, so that null is not the default here. */
function limit<S extends v.GenericSchema, const D extends v.InferInput<S> | null>(leaf: S, whenMissing: D) {
  return v.optional(v.nullable(leaf), whenMissing);
}
