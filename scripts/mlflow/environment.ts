import { join } from "node:path";
import { environmentPython, installEnvironment } from "../parts/virtual-environment.ts";

const requirements = join(import.meta.dir, "requirements.txt");

/** The Python of the virtual environment that holds MLflow; undefined where it has not been installed (as it is now required). */
export const installedPython = (): string | undefined => environmentPython("mlflow", requirements);

/** Installs MLflow into .venv/mlflow (a minute, once) and returns its Python. @throws Error as installEnvironment does */
export const installMlflow = (say: (words: string) => void): Promise<string> => installEnvironment("mlflow", requirements, say);
