import { join } from "node:path";

/** Runs a script beside this file, and returns the line that it prints. By a process of its own: what this one once held in memory counts as the peak of all that it starts. */
export async function prepareBy(script: string, ...words: string[]): Promise<string> {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, script), ...words], {
    stdio: ["ignore", "pipe", "inherit"],
    env: process.env,
  });
  const [said] = await Promise.all([child.stdout.text(), child.exited]);
  if (child.exitCode !== 0) throw new Error(`${script} ended with ${child.exitCode}`);
  return said.trim();
}
