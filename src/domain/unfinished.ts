const undos = new Set<() => void>();

/** Does `work`; a process that is asked to end meanwhile calls `undo` first (see `undoUnfinished`). `undo` is no part of the work's own end. */
export async function whileUnfinished<T>(undo: () => void, work: () => T | Promise<T>): Promise<T> {
  undos.add(undo);
  try {
    return await work();
  } finally {
    undos.delete(undo);
  }
}

/** Takes away what this process has half done, as far as it can be; the process ends then. */
export function undoUnfinished(): void {
  for (const undo of undos) {
    try {
      undo();
    } catch {
      // the others are to go all the same
    }
  }
  undos.clear();
}
