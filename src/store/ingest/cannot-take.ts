import { dirname } from "node:path";
import { troubleAdvice, troubleOf, troubleWords } from "../../domain/disk-trouble.ts";
import { CofferError, errno, reason } from "../../domain/error.ts";

/** For a system error that came from writing to the store. */
export function cannotTake(error: unknown): CofferError {
  const { path, dest = path } = error as NodeJS.ErrnoException & { dest?: string };
  const trouble = troubleOf(error, dest === undefined ? "/" : dirname(dest));
  const words = trouble ? `${troubleWords(trouble)} (${errno(error)})` : reason(error);
  return new CofferError("STORE_UNUSABLE", `the store cannot take the bytes: ${words}`, {
    hint: `${trouble ? troubleAdvice(trouble) : "see that you may write below its root"}, then try again; nothing of this was kept`,
    cause: error,
  });
}
