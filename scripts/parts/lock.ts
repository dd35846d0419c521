import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Two who install at once must not do it into one folder. The directory is the lock; its owner's pid is inside. */
export async function lock(path: string): Promise<AsyncDisposable> {
  for (;;) {
    try {
      mkdirSync(path);
      writeFileSync(join(path, "pid"), String(process.pid));
      return { [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    await Bun.sleep(200);
    const owner = Number(readIfThere(join(path, "pid")));
    if (owner && !existsSync(`/proc/${owner}`) && process.platform === "linux") rmSync(path, { recursive: true, force: true });
  }
}

function readIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
