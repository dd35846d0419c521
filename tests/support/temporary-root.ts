import { chmodSync, lstatSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TemporaryRoot extends Disposable {
  readonly path: string;
  /** A path below it. */
  at(...parts: string[]): string;
}

/** `using root = temporaryRoot()`: an empty directory that is gone at the end of the block, whatever modes its content has. */
export function temporaryRoot(parent = tmpdir()): TemporaryRoot {
  const path = realpathSync(mkdtempSync(join(parent, "coffer-test-")));
  return {
    path,
    at: (...parts) => join(path, ...parts),
    [Symbol.dispose]: () => removeTree(path),
  };
}

/** Removes a directory, also with read-only directories in it. */
export function removeTree(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    makeWritable(path);
    rmSync(path, { recursive: true, force: true });
  }
}

function makeWritable(directory: string): void {
  if (!lstatSync(directory).isDirectory()) return;
  chmodSync(directory, 0o700);
  for (const entry of readdirSync(directory, { withFileTypes: true })) if (entry.isDirectory()) makeWritable(join(directory, entry.name));
}
