import { realpathSync, statSync } from "node:fs";
import { basename, dirname, join, sep } from "node:path";
import { CofferError } from "../domain/error.ts";

/** The three places that coffer writes to; absolute. A run's workspace is `<workspace>/runs/<run id>`. */
export interface Roots {
  store: string;
  workspace: string;
  mlflow: string;
}

/** The parts of a store's root that are the store's own. */
const INSIDE = ["binaries", "manifests", "work", "mlruns", "cache", "tmp", "damaged"];

/** Where workspaces and MLflow's tree lie unless they are set. */
export function standardRoots(store: string): Roots {
  return { store, workspace: join(store, "work"), mlflow: join(store, "mlruns") };
}

/**
 * No root may hold another: pruning one would take from the other. The standard layout is the exception: `work` and `mlruns` in the store's root.
 * Symlinks are followed as far as the paths exist.
 * @throws CofferError ROOTS_OVERLAP
 */
export function checkRoots(roots: Roots): void {
  const store = realPath(roots.store);
  const workspace = realPath(roots.workspace);
  const mlflow = realPath(roots.mlflow);
  checkPair(store, workspace, roots, "workspace", "work");
  checkPair(store, mlflow, roots, "mlflow", "mlruns");
  if (!apart(workspace, mlflow))
    throw overlap(
      `the workspace root ${roots.workspace} and MLflow's root ${roots.mlflow} overlap`,
      "set workspace.root and tracking.mlflow.artifact_root to separate directories",
    );
  const above = dirname(store);
  if (INSIDE.includes(basename(store)) && statSync(join(above, "coffer.db"), { throwIfNoEntry: false }))
    throw overlap(`the store's root ${roots.store} lies inside the store at ${above}`, `name ${above} itself, or a directory outside it`);
}

function checkPair(store: string, other: string, roots: Roots, which: "workspace" | "mlflow", standard: string): void {
  if (apart(store, other) || other === join(store, standard)) return;
  const [name, key] =
    which === "workspace"
      ? ["the workspace root", "workspace.root (CORE_ARTIFACT_ROOT)"]
      : ["MLflow's root", "tracking.mlflow.artifact_root (MLFLOW_DEFAULT_ARTIFACT_ROOT)"];
  throw overlap(
    `${name} ${roots[which]} and the store's root ${roots.store} overlap`,
    `leave ${key} out for ${join(roots.store, standard)}, or set it to a directory outside the store`,
  );
}

function overlap(message: string, hint: string): CofferError {
  return new CofferError("ROOTS_OVERLAP", message, { hint });
}

function apart(a: string, b: string): boolean {
  return !within(a, b) && !within(b, a);
}

function within(parent: string, path: string): boolean {
  return path === parent || path.startsWith(parent.endsWith(sep) ? parent : parent + sep);
}

/** The real path of what exists of it, and the rest as it is. */
function realPath(path: string): string {
  try {
    // asked first, because an exception for each part that is not there yet would cost more than all the rest
    if (statSync(path, { throwIfNoEntry: false })) return realpathSync.native(path);
  } catch {
    // it cannot be looked at; what lies above it can
  }
  const above = dirname(path);
  return above === path ? path : join(realPath(above), basename(path));
}
