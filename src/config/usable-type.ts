import { CofferError } from "../domain/error.ts";
import type { Config } from "./schema.ts";

/**
 * Only a local store can be used; another type is refused before anything is kept anywhere.
 * @throws CofferError STORE_TYPE_UNUSABLE
 */
export function requireUsableType(config: Config): void {
  const { type } = config.artifact_store;
  if (type !== "local")
    throw new CofferError("STORE_TYPE_UNUSABLE", `artifact_store.type is ${type}, and this coffer keeps artifacts in a local store only`, {
      hint: "set artifact_store.type to local, with root_path on a disk that you can write; nothing was stored",
    });
}
