import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

const parts = join(import.meta.dir, "../../.cache/parts");

/**
 * A folder that `make` fills once: later calls with the same name and ingredients return it as it is. It is filled beside its place and renamed,
 * so it is whole or absent; of two that make it at once, one throws its own away.
 */
export async function cachedFolder(name: string, ingredients: string[], make: (folder: string) => Promise<void>): Promise<string> {
  const key = new Bun.CryptoHasher("sha256").update(ingredients.join("\0")).digest("hex").slice(0, 12);
  const target = join(parts, `${name}-${key}`);
  if (existsSync(target)) return target;
  mkdirSync(parts, { recursive: true });
  const made = mkdtempSync(join(parts, `.${name}-`));
  try {
    await make(made);
    renameSync(made, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
  return target;
}
