import { runToEnd } from "../parts/run-to-end.ts";

/** A program beside coffer: one command of it, to be timed in a folder of its own. */
export interface Peer {
  /** With its version. */
  title: string;
  /** Called in `home`. Those that keep files take in `home`/input, and have ended when its bytes are on the disk. */
  command: readonly string[];
  /** Everything that it writes lies below `home`. */
  env(home: string): Readonly<Record<string, string>>;
  /** Makes what the command needs, in an empty folder. */
  begin(home: string): Promise<void>;
}

/** A begin that calls these, one after another. */
export function beginBy(env: Peer["env"], ...commands: readonly (readonly string[])[]): Peer["begin"] {
  return async (home) => {
    for (const command of commands)
      await runToEnd(command, `${command.join(" ")} failed`, home, { PATH: process.env["PATH"] ?? "", ...env(home) });
  };
}

/** For those that leave their bytes to the kernel: nobody is done before the disk has them. */
export function untilOnDisk(command: readonly string[]): readonly string[] {
  return ["sh", "-c", '"$@" && sync -f .', "sh", ...command];
}

/** The version that a program says, which proves that it starts here. */
export async function versionOf(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const words = await runToEnd(command, `${command.join(" ")} does not start`, undefined, { PATH: process.env["PATH"] ?? "", ...env });
  const version = /\d+(\.\d+)+/.exec(words)?.[0];
  if (!version) throw new Error(`${command.join(" ")} says no version: ${words}`);
  return version;
}
