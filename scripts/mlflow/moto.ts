import { join } from "node:path";
import { installLayer, layeredPython } from "./layered-environment.ts";
import type { Layer } from "./layered-environment.ts";
import { freePort } from "./server.ts";

const layer: Layer = { folder: ".venv-moto", requirements: "moto-requirements.txt" };

/** A storage that speaks S3, on loopback. It checks no signatures. */
export interface Moto extends AsyncDisposable {
  uri: string;
  /** What a process needs in its environment to write to it. */
  env: Readonly<Record<string, string>>;
}

/** The Python that has moto and boto3, and beneath them the MLflow of .venv; undefined where it has not been installed. */
export const motoPython = (): string | undefined => layeredPython(layer);

/** Installs moto and boto3 (half a minute, once) and returns its Python. @throws Error where MLflow is not installed, or pip fails */
export const installMoto = (say: (words: string) => void): Promise<string> => installLayer(layer, say);

/** Starts it with one empty bucket (under a second). */
export async function startMoto(python: string, bucket: string): Promise<Moto> {
  const port = await freePort();
  const uri = `http://127.0.0.1:${port}`;
  const child = Bun.spawn([python, join(import.meta.dir, "hold.py"), python, "-m", "moto.server", "-H", "127.0.0.1", "-p", String(port)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    env: { PATH: process.env["PATH"] ?? "" },
  });
  const end = async (): Promise<void> => {
    if (child.exitCode === null) child.kill("SIGTERM");
    await child.exited;
  };
  for (const deadline = performance.now() + 60_000; ;) {
    const made = await fetch(`${uri}/${bucket}`, { method: "PUT" }).catch(() => undefined);
    if (made?.ok) break;
    if (child.exitCode !== null || performance.now() > deadline) {
      await end();
      throw new Error("moto did not answer");
    }
    await Bun.sleep(100);
  }
  const env = {
    MLFLOW_S3_ENDPOINT_URL: uri,
    AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
    AWS_SECRET_ACCESS_KEY: "not-a-secret",
    AWS_DEFAULT_REGION: "us-east-1",
  };
  return { uri, env, [Symbol.asyncDispose]: end };
}
