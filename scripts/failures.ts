/**
 * What `bun test` said around its `(fail)` lines; `output` is what it printed, without colours.
 * Parallel workers print a test's words before that line or, now and then, behind it.
 */
export function wordsOfFailures(output: string, { before = 40, after = 20 } = {}): string {
  const [told = ""] = output.split(/^\d+ tests (?:failed|skipped):$/m, 1);
  const lines = told
    .replace(/^\((?:pass|skip|todo)\) .*\n/gm, "")
    // of files that have no more to say
    .replace(/^\n\S+\.test\.ts:\n(?=\n\S+\.test\.ts:\n)/gm, "")
    .split("\n");
  const failures = lines.flatMap((line, at) => (line.startsWith("(fail) ") ? [at] : []));
  return lines
    .filter((_, at) => failures.some((failure) => failure - before <= at && at <= failure + after))
    .join("\n")
    .trim();
}
