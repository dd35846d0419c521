import { Database } from "bun:sqlite";

/** Two who install at once must not do it into one folder. The lock is SQLite's on a file that stays empty: the system takes it from whoever dies. */
export async function lock(path: string): Promise<AsyncDisposable> {
  const file = new Database(path, { create: true });
  for (;;) {
    try {
      file.run("BEGIN EXCLUSIVE");
      return { [Symbol.asyncDispose]: async () => file.close() };
    } catch (error) {
      if ((error as { code?: string }).code !== "SQLITE_BUSY") throw error;
    }
    await Bun.sleep(200);
  }
}
