import { join } from "node:path";

/** Another process that has the write lock of a store's database, until it is let go. */
export interface Holder extends AsyncDisposable {
  readonly pid: number;
  letGo(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

const PROGRAM = `
  import { Database } from "bun:sqlite";
  const db = new Database(process.argv[1]);
  db.run("PRAGMA busy_timeout = 20000");
  db.run("BEGIN IMMEDIATE");
  db.run("INSERT INTO store (key, value) VALUES ('held', '1')");
  process.stdout.write("held");
  process.stdin.once("data", () => { db.run("ROLLBACK"); process.exit(0); });`;

export async function holdDatabase(root: string): Promise<Holder> {
  const child = Bun.spawn([process.execPath, "-e", PROGRAM, join(root, "coffer.db")], { stdio: ["pipe", "pipe", "inherit"] });
  await child.stdout.getReader().read();
  const letGo = async (): Promise<void> => {
    child.stdin.write("go");
    await child.stdin.flush();
    await child.exited;
  };
  return {
    pid: child.pid,
    letGo,
    kill: (signal) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
