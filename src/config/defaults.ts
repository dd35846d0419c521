import type { Config } from "./schema.ts";

/** What holds where nothing else is said; the same as the schema's own defaults, but there without building it, which every start would pay. */
export const DEFAULTS: Config = {
  artifact_store: {
    type: "local",
    root_path: "./artifacts",
    versioning_enabled: true,
    metadata_backend: "sqlite",
    database_journal: "auto",
    busy_timeout: 60_000,
    max_dependency_depth: 100,
    cleanup_policy: {
      enabled: false,
      max_versions_per_artifact: 10,
      max_age_days: 90,
      max_size: 50_000_000_000,
      orphans: true,
      failed_runs_days: 7,
      workspaces_days: null,
      grace: 3_600_000,
    },
  },
  workspace: { policy: "separated", root: null, retain: ["*.log"], ignore: [".tmp", "__pycache__"], hash_ahead: true },
  tracking: {
    mlflow: { uri: "", experiment: "Default", artifact_root: null, sync: "after", share: "auto", jobs: 16 },
    training: { enabled: true, log_checkpoint: true, log_metrics_json: true },
    conversion: { enabled: true, log_onnx_model: true, log_conversion_log: true },
    benchmark: { enabled: true, log_artifacts: true },
    hpo: { enabled: true, log_checkpoint: true },
    skip: {
      patterns: ["*.tmp", ".cache", "*.pyc", "*.log", "__pycache__"],
      max_size: 104_857_600,
      keep: ["*_model*.bin", "optimizer.bin", "*.distcp", "*.data-*-of-*", "*.onnx_data", "*.onnx.data", "*.pb", "*.tflite"],
    },
  },
  cache: { max_size: 10_000_000_000, max_entries: 100 },
};
