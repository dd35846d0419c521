import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installLayer } from "./layered-environment.ts";
import { GUARDED } from "./layers.ts";
import { startMlflow } from "./server.ts";
import type { MlflowServer } from "./server.ts";

/** Who may do everything on a guarded server. */
export const ADMIN = { user: "admin", password: "long enough: % / @ é" };

/** Without the cache, each request costs a quarter of a second: a password is slow to check. */
const LOGINS = `[mlflow]
default_permission = READ
database_uri = sqlite:///logins.db
admin_username = ${ADMIN.user}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 600
`;

/** A server that wants to know who asks, is below a path of its host, and runs under gunicorn: what is often found in offices. */
export async function startGuarded(directory: string, say: (words: string) => void): Promise<MlflowServer> {
  mkdirSync(directory, { recursive: true });
  const config = join(directory, "logins.ini");
  writeFileSync(config, LOGINS);
  return startMlflow({
    kind: "proxied",
    directory,
    python: await installLayer(GUARDED, say),
    prefix: "/office/ml",
    args: ["--app-name", "basic-auth", "--gunicorn-opts", "--timeout 60"],
    env: { MLFLOW_FLASK_SERVER_SECRET_KEY: "for tests", MLFLOW_AUTH_ADMIN_PASSWORD: ADMIN.password, MLFLOW_AUTH_CONFIG_PATH: config },
  });
}
