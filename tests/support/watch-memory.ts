import { readFileSync } from "node:fs";

/** The most bytes of memory that a process had. What `wait` says of a child includes the memory of the one that started it. */
export async function watchMemory(child: Bun.Subprocess): Promise<number> {
  let most = 0;
  while (child.exitCode === null && child.signalCode === null) {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, "latin1");
      most = Math.max(most, Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024);
    } catch {
      // it has just ended
    }
    await Bun.sleep(5);
  }
  return most;
}
