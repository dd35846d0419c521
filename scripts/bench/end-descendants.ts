interface Process {
  pid: number;
  parent: number;
  args: string;
}

/**
 * Kills all that this process started and what those started, and waits until none of them is left: else they would go on writing into a folder that is removed
 * meanwhile. Servers are left out, with their processes: each has a holder that ends them all, and removes what they keep.
 */
export function endDescendants(): void {
  const stopped = new Set<number>();
  // one that is stopped starts no other while the list is read, and its children stay its children
  for (;;) {
    const found = descendants().filter((pid) => !stopped.has(pid));
    if (found.length === 0) break;
    for (const pid of found) {
      send(pid, "SIGSTOP");
      stopped.add(pid);
    }
  }
  for (const pid of stopped) send(pid, "SIGKILL");
  // who waits for a disk dies when it answers
  const deadline = performance.now() + 30_000;
  while (living(stopped) && performance.now() < deadline) Bun.sleepSync(20);
}

function descendants(): number[] {
  const { rows, lister } = list();
  const below = (parent: number): number[] =>
    rows
      .filter((row) => row.parent === parent && row.pid !== lister && !row.args.includes("hold.py"))
      .flatMap(({ pid }) => [pid, ...below(pid)]);
  return below(process.pid);
}

function living(pids: ReadonlySet<number>): boolean {
  return pids.size > 0 && list().rows.some(({ pid }) => pids.has(pid));
}

/** All processes but those that are dead and not yet waited for; `lister`: the one that lists them. */
function list(): { rows: Process[]; lister: number } {
  const ps = Bun.spawnSync(["ps", "-eo", "pid=,ppid=,stat=,args="]);
  const rows = [...ps.stdout.toString().matchAll(/^\s*(\d+)\s+(\d+)\s+(?!Z)\S+\s+(.*)$/gm)].map(([, pid, parent, args = ""]) => ({
    pid: Number(pid),
    parent: Number(parent),
    args,
  }));
  return { rows, lister: ps.pid };
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended
  }
}
