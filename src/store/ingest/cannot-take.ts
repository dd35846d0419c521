import { CofferError, reason } from "../../domain/error.ts";

/** For a system error that came from writing to the store. */
export function cannotTake(error: unknown): CofferError {
  return new CofferError("STORE_UNUSABLE", `the store cannot take the bytes: ${reason(error)}`, {
    hint: "make room on its disk (coffer gc shows what can go), or see that you may write below its root, then try again; nothing of this was kept",
    cause: error,
  });
}
