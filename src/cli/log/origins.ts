import type { ArtifactRow } from "../../db/records/artifacts.ts";
import { CofferError } from "../../domain/error.ts";
import { checkName } from "../../domain/names.ts";
import { resolveArtifact } from "../../registry/resolve.ts";
import type { Dependency } from "../../registry/record-edges.ts";
import type { Store } from "../../store/store.ts";

/**
 * What `--depends-on [ROLE=]REF` and `--source REF` name. A reference may hold a `=` itself, so the whole text is tried first.
 * @throws CofferError DEPENDENCY_MISSING, once for all that there are not; AMBIGUOUS, NAME_INVALID, USAGE
 */
export function resolveOrigins(
  store: Store,
  dependsOn: readonly string[],
  sources: readonly string[],
): { dependsOn: Dependency[]; sources: ArtifactRow[] } {
  const missing: Missing = new Map();
  const found = {
    dependsOn: dependsOn.flatMap((text) => dependency(store, text, missing) ?? []),
    sources: sources.flatMap((ref) => tryResolve(store, "source", ref, missing) ?? []),
  };
  if (missing.size > 0) throw missingError(missing);
  const twice = found.sources.find((source, index) => found.sources.some((other, at) => at < index && other.seq === source.seq));
  if (twice)
    throw new CofferError("USAGE", `the source ${twice.id} was named twice`, {
      hint: "name each source once, in the order of its features",
    });
  return found;
}

/** By reference: each is named once. */
type Missing = Map<string, { flag: string; candidates: readonly string[] }>;

function dependency(store: Store, text: string, missing: Missing): Dependency | undefined {
  const whole: Missing = new Map();
  const artifact = tryResolve(store, "depends-on", text, whole);
  if (artifact) return { artifact };
  const cut = text.indexOf("=");
  if (cut !== -1) {
    const role = checkName("role", text.slice(0, cut));
    const named = tryResolve(store, "depends-on", text.slice(cut + 1), missing);
    return named && { artifact: named, role };
  }
  for (const [ref, error] of whole) missing.set(ref, error);
  return undefined;
}

function tryResolve(store: Store, flag: string, ref: string, missing: Missing): ArtifactRow | undefined {
  try {
    return resolveArtifact(store, ref).artifact;
  } catch (error) {
    if (!(error instanceof CofferError) || error.code !== "NOT_FOUND") throw error;
    missing.set(ref, { flag, candidates: error.candidates });
    return undefined;
  }
}

function missingError(missing: Missing): CofferError {
  const given = [...missing].map(([ref, { flag }]) => `--${flag} ${ref}`);
  return new CofferError(
    "DEPENDENCY_MISSING",
    given.length === 1 ? `${given[0]}: there is no such artifact` : `there are no such artifacts: ${given.join(", ")}`,
    {
      hint: "log it first, or correct the reference; nothing was stored",
      candidates: [...new Set([...missing.values()].flatMap(({ candidates }) => candidates))],
    },
  );
}
