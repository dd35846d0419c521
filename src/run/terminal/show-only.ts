import { closeSync } from "node:fs";
import { reason } from "../../domain/error.ts";
import { follow } from "../child/follow.ts";
import type { Keeping } from "./keep-log.ts";
import type { Log } from "./output-log.ts";

/** For a command that runs already and whose log has no keeper, since none could be started: coffer shows what it prints, as long as coffer lives. Takes over both descriptors. */
export function showOnly(read: number, log: Log, file: number, out: 1 | 2, why: unknown): Keeping {
  const follower = follow(Bun.file(read).stream(), file, out);
  let reading = true;

  function letGo(): void {
    follower.leave();
    if (reading) closeSync(read);
    reading = false;
  }

  // its reader has left: the command gets SIGPIPE, as it would without us
  void follower.over.then((fault) => {
    if (fault !== undefined) letGo();
  });
  return {
    async finish(tooLong, stopped) {
      const isOpen = (await Promise.race([follower.finish(false), tooLong, stopped])) === false;
      letGo();
      closeSync(file);
      return { notes: [`${log.name} was not kept: ${reason(why)}`], isOpen };
    },
  };
}
