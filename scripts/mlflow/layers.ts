import type { Layer } from "./layered-environment.ts";

/** MLflow 3.11 as it is still in use: it answers uploads with a body, and keeps a chunked one as an empty file. */
export const OLDER: Layer = { folder: ".venv-older", requirements: "older-requirements.txt", exact: true };

/** What `mlflow server --app-name basic-auth` needs beyond MLflow itself. */
export const GUARDED: Layer = { folder: ".venv-guarded", requirements: "guarded-requirements.txt", exact: true };
