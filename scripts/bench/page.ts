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

Whole processes, from start to exit, measured until ${new Date().toISOString().slice(0, 10)} on ${machine}, with Bun ${Bun.version}. Absolute times
do not travel between machines; ratios do.

To measure again, run \`npm ci\` first; each call builds coffer by itself.

| command | makes | needs |
|---|---|---|
| \`npm run bench -- --write\` | the table of goals | roughly an hour, 25 GB of free disk; for \`sync-mlflow\` Python 3.10 or newer with \`venv\`, 1.2 GB in \`.venv\` and \`.venv-older\`, and 3 GiB of memory |
| \`npm run bench -- --peers --write\` | the table of goals, and the one of others | roughly half an hour more; those that are missing are installed when a row needs them: together 2.4 GB in \`.venv\` and \`.cache\`, and some minutes |
| \`npm run bench -- --growth --write\` | the table of growth | 40 to 60 minutes, 25 GB of free disk |
| \`npm run bench -- --fsyncs --write\` | the table of flushes | \`strace\`, more than 10 minutes, 25 GB of free disk (two of its rows, \`ahead\`, write 5 × 2 GiB for each run, and copy them) |

\`npm run bench -- NAME … --write\` makes some rows anew and keeps the others: the NAME of a row stands in brackets behind it, and the beginning of several means
all of them (\`mlflow\`). So \`npm run bench -- --peers start\` takes a minute. Without \`--write\` the rows are only printed; \`--rounds N\` changes how often everybody is
timed; \`npm run bench -- --help\` lists all names. A goal that is missed makes the exit code 1, after all rows.

All files are written below \`TMPDIR\` (\`/tmp\`) where that is on the same disk as the checkout, and otherwise below its \`.cache\`, so that no disk in memory is measured. They
are removed at the end, also after Ctrl-C; only the store of a million artifacts (0.8 GB, \`coffer-bench-million-…\`) stays there for the next time.

ext4 without a journal (many virtual machines have it so) makes new files slowly where others went within the last minute, or the last six minutes where that is
not on the disk yet: 20,000 took 17 s instead of 0.7. So each row, and each round of one with many files, has a part of the disk to itself, and what it left stays
until the end while 30 GB are free. On such a disk, \`sync\` and wait some minutes between two calls, and after anything else that deleted a hundred thousand files.

## ${GOALS.title}

Each row is timed in turn with its reference (A B A B …) after one round for warming up; medians, with the range in brackets. Inputs are random bytes,
made anew for each round and written out before the clock starts; those of the rows that speak of logging again are what the store already has. Peak memory is
the highest of all runs and of all processes of one; more than 120 MB misses the goal (150 MB for \`sync-mlflow\`, 200 MB for the import). A wide range
means that the disk had two speeds: then hold the lower ends against each other, not the medians.

Where the reference is the smallest compiled Bun program, as for the plans of \`coffer gc\`, it is no peer: it does none of the work, and only shows what the start of
a process cost in the same minutes. The goal is then a time of its own, except for \`coffer --version\` and \`coffer runs\`, which are little more than a start.

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
size to the third. Where ten times the work would not fit on the disk, or take an hour, the work itself is the largest size (a million artifacts, 100,000 files
written out), and large files are 5 GB at most.

${table(GROWTH)}

## ${FLUSHES.title}

What one run of coffer waits for, counted by \`strace\` (\`fsync\`, \`fdatasync\`, \`syncfs\`, \`sync\`, \`msync\`) in a process and all that it starts. Where the
store is a new one, making it is part of that.

${table(FLUSHES)}
`;
}
