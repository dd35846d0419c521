import { readFileSync, readdirSync } from "node:fs";
import { arch, availableParallelism, hostname, platform, release, totalmem } from "node:os";
import { hidesValue, knownSecrets, redactText } from "../../domain/redact.ts";

type Env = Readonly<Record<string, string | undefined>>;

export interface Machine {
  host: string;
  user: string;
  /** `linux x64 6.18.0` */
  platform: string;
  /** What this process may use, not what the machine has. */
  cores: number;
  memoryBytes: number;
  gpus: string[];
}

const NAMES = new Set([
  ...[
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "ZE_AFFINITY_MASK",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_DEVICE_ORDER",
    "PYTORCH_CUDA_ALLOC_CONF",
  ],
  ...[
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_DETERMINISTIC_OPS",
    "TF_ENABLE_ONEDNN_OPTS",
    "XLA_FLAGS",
  ],
  ...["RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT"],
  ...["PYTHONHASHSEED", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "CONDA_PREFIX", "LANG", "LC_ALL", "TZ", "SHELL"],
  ...[
    "CI",
    "GITHUB_ACTIONS",
    "GITHUB_REPOSITORY",
    "GITHUB_REF",
    "GITHUB_SHA",
    "GITHUB_RUN_ID",
    "GITHUB_RUN_ATTEMPT",
    "GITHUB_WORKFLOW",
    "GITHUB_JOB",
  ],
  ...[
    "GITLAB_CI",
    "CI_PROJECT_PATH",
    "CI_COMMIT_SHA",
    "CI_COMMIT_REF_NAME",
    "CI_PIPELINE_ID",
    "CI_JOB_ID",
    "CI_JOB_NAME",
    "BUILD_NUMBER",
    "JOB_NAME",
    "BUILDKITE_BUILD_ID",
  ],
  ...["HF_HOME", "TRANSFORMERS_OFFLINE", "HF_HUB_OFFLINE", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST"],
  ...["COFFER_PIPELINE", "COFFER_DATASET", "COFFER_STEP", "COFFER_BRANCH", "COFFER_FOLD", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_NAME"],
]);
const PREFIXES = ["SLURM_", "NCCL_"];
const MAX_VALUE = 4096;

/** The part of the environment that is recorded: an allow-list of what decides how a run computes and where it ran. */
export function recordedEnvironment(env: Env): Record<string, string> {
  const secrets = knownSecrets(env);
  const recorded: Record<string, string> = {};
  for (const name of Object.keys(env).sort()) {
    const value = env[name];
    const listed = NAMES.has(name) || PREFIXES.some((prefix) => name.startsWith(prefix));
    if (value !== undefined && value !== "" && listed && !hidesValue(name) && !name.endsWith("JWT"))
      recorded[name] = redactText(value.slice(0, MAX_VALUE), secrets);
  }
  return recorded;
}

/** The machine that the run is on. */
export function describeMachine(): Machine {
  const limit = process.constrainedMemory();
  const total = totalmem();
  return {
    host: hostname(),
    user: userName(),
    platform: `${platform()} ${arch()} ${release()}`,
    cores: availableParallelism(),
    memoryBytes: limit > 0 && limit < total ? limit : total,
    gpus: nvidiaGpus(),
  };
}

/** Bun's `userInfo()` knows the variables only, and calls who has none “unknown”: the passwd file knows better. */
function userName(): string {
  const uid = process.getuid?.();
  try {
    const line = readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .find((entry) => entry.split(":")[2] === String(uid));
    if (line) return line.slice(0, line.indexOf(":"));
  } catch {
    // no such file here
  }
  // a container's user need not be in its passwd file
  return process.env["USER"] || process.env["LOGNAME"] || `uid ${uid ?? "?"}`;
}

/** From the driver's files: nvidia-smi takes seconds. */
function nvidiaGpus(): string[] {
  const root = "/proc/driver/nvidia/gpus";
  try {
    return readdirSync(root)
      .sort()
      .map((slot) => /^Model:\s*(.+)$/m.exec(readFileSync(`${root}/${slot}/information`, "latin1"))?.[1] ?? "NVIDIA GPU");
  } catch {
    return [];
  }
}
