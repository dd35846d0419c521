/**
 * Calls git as somebody of the test's own, whatever this machine is configured to, and returns what it says.
 * @throws with git's words where it fails
 */
export function git(directory: string, ...words: string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(["git", "-c", "user.name=n", "-c", "user.email=n@example.org", ...words], {
    cwd: directory,
    env: { PATH: process.env["PATH"] ?? "", HOME: directory, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" },
  });
  if (exitCode !== 0) throw new Error(`git ${words.join(" ")}: ${stderr.toString()}`);
  return stdout.toString().trim();
}
