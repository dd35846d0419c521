import type { ArtifactRow } from "../db/artifacts.ts";
import { CofferError } from "../domain/error.ts";
import { checkName } from "../domain/names.ts";
import { resolveArtifact } from "../registry/resolve.ts";
import type { Dependency } from "../registry/record-edges.ts";
import type { Store } from "../store/store.ts";

/**
 * What `--depends-on [ROLE=]REF` and `--source REF` name. A reference may hold a `=` itself, so the whole text is tried first.
 * @throws CofferError DEPENDENCY_MISSING, once for all that there are not; AMBIGUOUS, NAME_INVALID, USAGE
 */
export function resolveOrigins(
  store: Store,
  dependsOn: readonly string[],
  sources: readonly string[],
): { dependsOn: Dependency[]; sources: ArtifactRow[] } {
  const missing = new Map<string, CofferError>();
  const found = {
    dependsOn: dependsOn.flatMap((text) => dependency(store, text, missing) ?? []),
    sources: sources.flatMap((ref) => tryResolve(store, ref, missing) ?? []),
  };
  if (missing.size > 0) throw missingError(missing);
  const twice = found.sources.find((source, index) => found.sources.some((other, at) => at < index && other.seq === source.seq));
  if (twice)
    throw new CofferError("USAGE", `the source ${twice.id} was named twice`, {
      hint: "name each source once, in the order of its features",
    });
  return found;
}

function dependency(store: Store, text: string, missing: Map<string, CofferError>): Dependency | undefined {
  const whole = new Map<string, CofferError>();
  const artifact = tryResolve(store, text, whole);
  if (artifact) return { artifact };
  const cut = text.indexOf("=");
  if (cut !== -1) {
    const role = checkName("role", text.slice(0, cut));
    const named = tryResolve(store, text.slice(cut + 1), missing);
    return named && { artifact: named, role };
  }
  for (const [ref, error] of whole) missing.set(ref, error);
  return undefined;
}

function tryResolve(store: Store, ref: string, missing: Map<string, CofferError>): ArtifactRow | undefined {
  try {
    return resolveArtifact(store, ref).artifact;
  } catch (error) {
    if (!(error instanceof CofferError) || error.code !== "NOT_FOUND") throw error;
    missing.set(ref, error);
    return undefined;
  }
}

function missingError(missing: ReadonlyMap<string, CofferError>): CofferError {
  const refs = [...missing.keys()];
  const candidates = [...new Set([...missing.values()].flatMap((error) => error.candidates))];
  return new CofferError(
    "DEPENDENCY_MISSING",
    refs.length === 1 ? `there is no artifact ${refs[0]}` : `there are no artifacts ${refs.slice(0, -1).join(", ")} and ${refs.at(-1)}`,
    { hint: "log it first, or correct the reference; nothing was stored", candidates },
  );
}
