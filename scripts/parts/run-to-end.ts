/** Runs a command to its end and returns what it printed. @throws Error with `failure` and its last words where its exit code is not 0 */
export async function runToEnd(
  command: readonly string[],
  failure: string,
  cwd?: string,
  env?: Readonly<Record<string, string>>,
): Promise<string> {
  const child = Bun.spawn([...command], {
    stdio: ["ignore", "pipe", "pipe"],
    ...(cwd !== undefined && { cwd }),
    ...(env !== undefined && { env: { ...env } }),
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`${failure} (exit code ${code})\n${(err || out).trim().slice(-2000)}`);
  return out;
}
