import { cpus, release, totalmem } from "node:os";
import { FLUSHES } from "./flushes.ts";
import { GROWTH } from "./growth.ts";
import type { Subject } from "./subject.ts";
import { GOALS, mergeRows, PEERS } from "./table.ts";
import type { Row, Table } from "./table.ts";

/** docs/benchmarks.md: what was measured now, and what it said before of everything else. */
export function renderPage(subjects: readonly Subject[], before: string, made: ReadonlyMap<Table, readonly Row[]>): string {
  const table = (one: Table): string => mergeRows(one, subjects, before, made.get(one) ?? []);
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, ${process.platform} ${release()}`;
  return `# Benchmarks

Whole processes, from start to exit, measured until ${new Date().toISOString().slice(0, 10)} on ${machine}, with Bun ${Bun.version}, on the disk of the
checkout. Absolute times do not travel between machines; ratios do.

| command | makes |
|---|---|
| \`bun run bench --write\` | the table of goals; \`bun run bench NAME --write\` some of its rows, and keeps the others |
| \`bun run bench --peers --write\` | the table of goals, and the one of others; whoever is missing is installed first, below \`.venv\` and \`.cache\` |
| \`bun run bench --growth --write\` | the table of growth |
| \`bun run bench --fsyncs --write\` | the table of flushes |

Without \`--write\` the rows are only printed. \`--rounds N\` changes how often everybody is timed.

## ${GOALS.title}

Each row is timed in turn with its reference (A B A B …) after one round for warming up; medians, with the range in brackets. Inputs are random bytes,
made anew for each round and written out before the clock starts; those of the rows that speak of logging again are what the store already has. Peak memory is
the highest of all runs and of all processes of one; more than 120 MB misses the goal (150 MB for \`sync-mlflow\`, 200 MB for the import). A wide range
means that the disk had two speeds: then hold the lower ends against each other, not the medians.

The rows of \`sync-mlflow\` stand against MLflow's own Python client 3.17.2, of which only the call itself is timed, without its imports and the making of a
run; ours is the whole process, which finds or makes the run, sends, and reads everything back. The server is \`mlflow server\` with its defaults, made on the
same machine.

${table(GOALS)}

## ${PEERS.title}

Programs that do something like it, in three rounds of the same measurement, each in a folder of its own that is new for each round (except where files are taken
in again). restic and borg are Debian's packages; DVC, W&B, Guild, Oxen and MLflow come from PyPI. All are used as they come: restic encrypts and compresses, borg
compresses and was told not to encrypt, both find pieces that files share. restic, borg and Oxen flush what they write; DVC and W&B do not, so that for taking files in
\`sync -f\` is timed with them. W&B is offline: it copies files to where it would upload them from. Oxen is called through its Python module.

${table(PEERS)}

## ${GROWTH.title}

The same work at three sizes, each ten times the one before. The exponent is the slope of time over size on logarithmic scales: 0 does not grow, 1 grows as the
size does, 2 as its square. What a process costs at least flattens it, most where the times are small: in brackets the slope from the second
size to the third. Where ten times the work would not fit on the disk, or
take an hour, the work itself is the largest size (a million artifacts, 100,000 files written out), and large files are 5 GB at most.

${table(GROWTH)}

## ${FLUSHES.title}

What one run of coffer waits for, counted by \`strace\` (\`fsync\`, \`fdatasync\`, \`syncfs\`, \`sync\`, \`msync\`) in a process and all that it starts. Where the
store is a new one, making it is part of that.

${table(FLUSHES)}
`;
}
