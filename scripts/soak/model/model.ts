/** absent: it was never there. A command that was killed leaves several states possible; a look at the store tells which it is. */
export type State = "absent" | "live" | "removed" | "withdrawn" | "deleted";

/** An artifact that was kept, or may have been. What is not certain is a set of all that it may be. */
export interface Artifact {
  /** NAME@vN, or RUN/PATH with the name of the run in place of its id. */
  readonly key: string;
  readonly owner: number;
  readonly name: string | undefined;
  readonly version: number;
  readonly content: number;
  readonly needs: readonly Artifact[];
  /** Of a run that was killed: it is there if that run has ended by itself. */
  readonly run: Run | undefined;
  may: Set<State>;
  pinned: Set<boolean>;
  tag: Set<string>;
}

/** A version that somebody may have made: the command is at work, or was killed. */
export interface Pending {
  readonly content: number;
  readonly needs: readonly Artifact[];
  readonly run: Run | undefined;
  readonly state: "live" | "withdrawn";
}

export interface Name {
  readonly name: string;
  readonly owner: number;
  readonly versions: Artifact[];
  pending: Pending[];
  /** Numbers that killed commands may have used up although nothing is to be seen of them. */
  slack: number;
  /** By alias: what it may point at. */
  readonly aliases: Map<string, Set<Artifact | undefined>>;
}

export interface Run {
  readonly name: string;
  readonly policy: "separated" | "scratch";
  readonly fails: boolean;
  readonly outputs: readonly { path: string; content: number; register: Name | undefined }[];
  readonly needs: readonly Artifact[];
  /** Undefined until it is known; absent: it never began. */
  state: "absent" | "finished" | "failed" | "killed" | undefined;
  id: string | undefined;
}

/** What a gc is told on its command line; the grace is none. */
export interface Rules {
  maxVersions: number | undefined;
  failedRuns: boolean;
}

/** A gc that is at work: what it may have taken since it began. */
export interface Collection {
  readonly rules: Rules;
  readonly vulnerable: Set<Artifact>;
}

export interface Model {
  readonly names: Map<string, Name>;
  readonly artifacts: Map<string, Artifact>;
  readonly runs: Map<string, Run>;
  /** By content: whether a reader may hold it, for an hour. */
  readonly held: Map<number, Set<boolean>>;
  readonly collections: Set<Collection>;
  /** What a gc told of before the command that made it did. */
  readonly early: Set<string>;
  /** How often something was collected: what nobody has seen may be gone since. */
  collected: number;
  /** By content: its digest, once somebody has told it. */
  readonly digests: Map<number, string>;
}

export function makeModel(): Model {
  return {
    names: new Map(),
    artifacts: new Map(),
    runs: new Map(),
    held: new Map(),
    collections: new Set(),
    early: new Set(),
    collected: 0,
    digests: new Map(),
  };
}

export function nameOf(model: Model, owner: number, nth: number): Name {
  const name = `w${owner}-${"abcd"[nth % 4]}`;
  const before = model.names.get(name);
  if (before) return before;
  const made: Name = { name, owner, versions: [], pending: [], slack: 0, aliases: new Map() };
  model.names.set(name, made);
  return made;
}

export function addArtifact(
  model: Model,
  given: Pick<Artifact, "key" | "owner" | "name" | "version" | "content" | "needs" | "run"> & { may: State[] },
): Artifact {
  const artifact: Artifact = { ...given, may: new Set(given.may), pinned: new Set([false]), tag: new Set([""]) };
  model.artifacts.set(artifact.key, artifact);
  if (artifact.name !== undefined) {
    const { versions } = model.names.get(artifact.name) as Name;
    versions.push(artifact);
    versions.sort((a, b) => a.version - b.version);
  }
  return artifact;
}

/** What a command says of it when it has ended. A gc that ended earlier may have taken it since: that is final. */
export function settle(artifact: Artifact, state: State): void {
  if (!isSurely(artifact, "deleted")) artifact.may = new Set([state]);
}

export function isSurely(artifact: Artifact, state: State): boolean {
  return artifact.may.size === 1 && artifact.may.has(state);
}

/** Whether a command may find that it is not there. */
export function mayBeGone(model: Model, artifact: Artifact): boolean {
  return (
    artifact.may.has("deleted") || artifact.may.has("absent") || [...model.collections].some(({ vulnerable }) => vulnerable.has(artifact))
  );
}
