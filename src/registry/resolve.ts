import * as aliases from "../db/records/aliases.ts";
import * as artifacts from "../db/records/artifacts.ts";
import type { ArtifactRow, Scope } from "../db/records/artifacts.ts";
import * as blobs from "../db/bytes/blobs.ts";
import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import { artifactRef } from "../domain/artifact-ref.ts";
import { closest } from "../domain/closest.ts";
import { parseDigestPrefix } from "../domain/digest.ts";
import { CofferError } from "../domain/error.ts";
import type { Store } from "../store/store.ts";

export type Resolved =
  | { kind: "run"; run: RunRow }
  | { kind: "artifact"; artifact: ArtifactRow; /** A path inside the directory that the artifact is. */ inside: string | undefined };

const MANY = 20;
/** Looked through for one that resembles a wrong one. */
const NAMES = 1000;

/**
 * What a reference means. Tried in this order: digest (`blake3:PREFIX`), exact id, name (`name`, `name@v3`, `name@alias`, `name@run:RUN`),
 * `name/path` and `RUN/path` (also inside a directory), run id or a unique prefix of one, the name of a run (its newest), that name and a path.
 * @throws CofferError NOT_FOUND or AMBIGUOUS, with candidates
 */
export function resolve(store: Store, ref: string, scope: Scope = "live"): Resolved {
  const found =
    byDigest(store, ref, scope) ??
    byExactId(store, ref, scope) ??
    byName(store, ref, scope) ??
    byNameInside(store, ref, scope) ??
    byRunPath(store, ref, scope) ??
    byRun(store, ref) ??
    byRunName(store, ref, scope) ??
    byRunNamePath(store, ref, scope);
  if (found) return found;
  throw (scope === "any" ? undefined : outOfSight(store, ref)) ?? unknown(store, ref);
}

/** @throws CofferError NOT_FOUND, also where the reference means a run */
export function resolveArtifact(store: Store, ref: string, scope: Scope = "live"): { artifact: ArtifactRow; inside: string | undefined } {
  const found = resolve(store, ref, scope);
  if (found.kind === "artifact") return found;
  const its = artifacts.ofRun(store.db, found.run.seq, scope).map((artifact) => `${found.run.id}/${artifact.path}`);
  throw new CofferError("NOT_FOUND", `“${ref}” is a run, not an artifact`, {
    hint: its.length > 0 ? "name one of its artifacts" : "it has no artifacts",
    candidates: its.slice(0, MANY),
  });
}

/** @throws CofferError NOT_FOUND or AMBIGUOUS */
export function resolveRun(store: Store, ref: string): RunRow {
  const found = byRun(store, ref) ?? byRunName(store, ref, "live");
  if (found) return found.run;
  const near = runs.list(store.db, { limit: 5 }).map((run) => run.id);
  throw new CofferError("NOT_FOUND", `there is no run “${ref}”`, {
    hint: near.length > 0 ? "these are the newest; coffer runs lists all" : "the store has no runs yet",
    candidates: near,
  });
}

function byDigest(store: Store, ref: string, scope: Scope): Resolved | undefined {
  const prefix = parseDigestPrefix(ref);
  if (!prefix) return undefined;
  const found = blobs.byDigestPrefix(store.db, prefix);
  const owners = artifacts.ofBlobs(store.db, found, MANY, scope);
  const digests = [...new Set(owners.map((artifact) => artifact.digest))];
  if (digests.length > 1)
    throw new CofferError("AMBIGUOUS", `“${ref}” begins ${digests.length} digests`, { hint: "give more digits", candidates: digests });
  if (!owners[0])
    throw new CofferError("NOT_FOUND", `no artifact has the digest ${ref}`, {
      hint: "coffer ls --json shows digests; a file inside a directory is found by RUN/path",
    });
  return artifact(owners[0]);
}

function byExactId(store: Store, ref: string, scope: Scope): Resolved | undefined {
  return artifact(artifacts.latestOfId(store.db, ref, scope));
}

function byName(store: Store, ref: string, scope: Scope): Resolved | undefined {
  const cut = ref.lastIndexOf("@");
  if (cut === -1) return artifact(artifacts.latestOfName(store.db, ref, scope));
  const [name, which] = [ref.slice(0, cut), ref.slice(cut + 1)];
  const found = byWhich(store, name, which, scope);
  if (found) return artifact(found);
  const known = artifacts.list(store.db, { name, limit: MANY });
  if (known.length === 0) return undefined;
  const hidden = scope === "any" ? null : byWhich(store, name, which, "any");
  if (hidden) throw hiddenError(hidden, known);
  throw new CofferError("NOT_FOUND", `“${name}” has no “${which}”`, {
    hint: "name a version, an alias, or run:RUN",
    candidates: known.flatMap((row) => [artifactRef(row), ...aliases.ofArtifact(store.db, row.seq).map((alias) => `${name}@${alias}`)]),
  });
}

function byWhich(store: Store, name: string, which: string, scope: Scope): ArtifactRow | null {
  if (which === "latest") return artifacts.latestOfName(store.db, name, scope);
  const version = /^v([1-9][0-9]{0,14})$/.exec(which);
  if (version)
    return (
      artifacts.versionOfName(store.db, name, Number(version[1]), scope) ?? artifacts.versionOfId(store.db, name, Number(version[1]), scope)
    );
  if (which.startsWith("run:")) return artifacts.ofNameInRun(store.db, name, resolveRun(store, which.slice(4)).seq, scope);
  const target = aliases.target(store.db, name, which);
  const found = target === undefined ? null : artifacts.bySeq(store.db, target);
  // what a failed run set aside is not shown by an alias either
  return found && (scope !== "live" || found.state === "live") ? found : null;
}

/** `raw-data/train.csv`: a file inside a directory that has a name. */
function byNameInside(store: Store, ref: string, scope: Scope): Resolved | undefined {
  const cut = ref.indexOf("/");
  if (cut < 1) return undefined;
  const found = byName(store, ref.slice(0, cut), scope);
  return found?.kind === "artifact" && found.artifact.kind === "tree"
    ? { ...found, inside: ref.slice(cut + 1).replace(/\/+$/, "") }
    : undefined;
}

/** The newest run that was given this name. */
function byRunName(store: Store, ref: string, scope: Scope): Extract<Resolved, { kind: "run" }> | undefined {
  const run = runs.newestOfName(store.db, ref, scope !== "live");
  return run ? { kind: "run", run } : undefined;
}

function byRunPath(store: Store, ref: string, scope: Scope): Resolved | undefined {
  const cut = ref.indexOf("/");
  const run = cut < 1 ? undefined : byRun(store, ref.slice(0, cut))?.run;
  if (!run) return undefined;
  const path = ref.slice(cut + 1).replace(/\/+$/, "");
  return atPath(store, run, path, scope) ?? lacksPath(store, run, path, scope);
}

/** `first/model.pkl`: of the newest run of a name. A name may have slashes itself: another one that fits as well makes it unclear which is meant. */
function byRunNamePath(store: Store, ref: string, scope: Scope): Resolved | undefined {
  const found = new Map<string, Resolved>();
  let named: { run: RunRow; path: string } | undefined;
  for (let cut = ref.indexOf("/"); cut !== -1; cut = ref.indexOf("/", cut + 1)) {
    const run = cut < 1 ? undefined : byRunName(store, ref.slice(0, cut), scope)?.run;
    if (!run) continue;
    const path = ref.slice(cut + 1).replace(/\/+$/, "");
    named = { run, path };
    const its = atPath(store, run, path, scope);
    if (its) found.set(`${run.id}/${path}`, its);
  }
  if (found.size > 1)
    throw new CofferError("AMBIGUOUS", `“${ref}” may be of several runs`, {
      hint: "name the run by its id",
      candidates: [...found.keys()],
    });
  const [only] = found.values();
  return only ?? (named && lacksPath(store, named.run, named.path, scope));
}

function atPath(store: Store, run: RunRow, path: string, scope: Scope): Resolved | undefined {
  for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
    const found = artifacts.atPath(store.db, run.seq, path.slice(0, end), scope);
    if (found && (end === path.length || found.kind === "tree"))
      return { kind: "artifact", artifact: found, inside: end === path.length ? undefined : path.slice(end + 1) };
  }
  return undefined;
}

function lacksPath(store: Store, run: RunRow, path: string, scope: Scope): never {
  const its = artifacts.ofRun(store.db, run.seq, scope).map((row) => row.path);
  const near = closest(path, its);
  throw new CofferError("NOT_FOUND", `run ${run.id} has no “${path}”`, {
    hint: near ? `did you mean ${near}?` : its.length > 0 ? "it has these" : "it has no artifacts in sight",
    candidates: its.slice(0, MANY).map((own) => `${run.id}/${own}`),
  });
}

function byRun(store: Store, ref: string): Extract<Resolved, { kind: "run" }> | undefined {
  if (!/^[0-9a-f-]{4,36}$/.test(ref)) return undefined;
  const found = runs.byPrefix(store.db, ref, MANY);
  if (found.length > 1)
    throw new CofferError("AMBIGUOUS", `“${ref}” begins the ids of several runs`, {
      hint: "give more of the id",
      candidates: found.map((run) => run.id),
    });
  return found[0] ? { kind: "run", run: found[0] } : undefined;
}

function artifact(row: ArtifactRow | null): Resolved | undefined {
  return row ? { kind: "artifact", artifact: row, inside: undefined } : undefined;
}

/** What `rm`, a failed run or gc took away is named as such. */
function outOfSight(store: Store, ref: string): CofferError | undefined {
  const hidden = byExactId(store, ref, "any") ?? byName(store, ref, "any");
  return hidden?.kind === "artifact" ? hiddenError(hidden.artifact, []) : undefined;
}

function hiddenError(hidden: ArtifactRow, others: readonly ArtifactRow[]): CofferError {
  const ref = artifactRef(hidden);
  return new CofferError("NOT_FOUND", hidden.state === "deleted" ? `gc has deleted ${ref}` : `${ref} is out of sight (${hidden.state})`, {
    hint: hidden.state === "deleted" ? `coffer show ${ref} tells what it was` : `coffer restore ${ref} brings it back`,
    candidates: others.map(artifactRef),
  });
}

function unknown(store: Store, ref: string): CofferError {
  const known = artifacts.names(store.db, NAMES);
  const isInSight = (name: string): boolean => artifacts.latestOfName(store.db, name) !== null;
  const nearest = closest(ref.replace(/@.*$/, ""), known);
  const near = nearest !== undefined && isInSight(nearest) ? nearest : undefined;
  return new CofferError("NOT_FOUND", `nothing is called “${ref}”`, {
    hint: near ? `did you mean ${near}?` : "coffer ls lists artifacts, coffer runs lists runs",
    candidates: near ? [near] : known.slice(0, MANY).filter(isInSight).slice(0, 5),
  });
}
