import type { Subject } from "./subject.ts";

/** What `--help` says. */
export function renderUsage(subjects: readonly Subject[]): string {
  const width = Math.max(...subjects.map(({ name }) => name.length));
  const rows = subjects.map(({ name, what }) => `  ${name.padEnd(width)}  ${what}`);
  return `npm run bench -- [NAME …] [--peers | --growth | --fsyncs] [--rounds N] [--write]

Builds coffer, and times whole processes in turn with a reference; without a NAME in all rows.

  --peers     also other programs; installs those that the rows need, up to 2.4 GB in .venv and .cache
  --growth    at three sizes instead; all rows take 40 to 60 minutes and up to 25 GB
  --fsyncs    counts what is flushed instead (needs strace)
  --rounds N  how often everybody is timed; else it is the row's own number
  --write     puts the rows into docs/benchmarks.md, whose others stay

Exit code 1: a goal was missed. 2: the call was wrong.

NAME, or the beginning of several (mlflow for all of mlflow-…):
${rows.join("\n")}`;
}
