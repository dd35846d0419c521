import { CofferError } from "./error.ts";

const untouched = new WeakSet<object>();

/** SQLite would go on with a file that was set aside or removed. `isUntouched`: whoever finds it has written nothing to it. @returns STORE_UNUSABLE */
export function replacedDatabase(file: string, { isUntouched }: { isUntouched: boolean }): CofferError {
  const error = new CofferError("STORE_UNUSABLE", `the database ${file} was replaced or removed while this command used it`, {
    hint: "nothing of this step was kept; the next command uses the database that is there now",
  });
  if (isUntouched) untouched.add(error);
  return error;
}

/** Does it again, once, where a rebuild replaced the database before anything was written: `work` opens the store anew. */
export async function unlessReplaced<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (typeof error !== "object" || error === null || !untouched.has(error)) throw error;
    return work();
  }
}
