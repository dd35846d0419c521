import * as v from "valibot";
import { checkKey } from "../../domain/assignment.ts";
import { checkArtifactName, checkArtifactPath, checkName, DEFAULT_DATASET } from "../../domain/names.ts";
import { inCalendar, timeOf } from "./item-time.ts";
import { version } from "./read-item.ts";

/** What a manifest of coffer says in its `coffer` block, beyond the format. */
export interface CofferBlock {
  run: RunBlock;
  /** By artifact id and version, in the order of the records where several have the same. */
  artifacts: Map<string, ItemBlock[]>;
  /** Records of what was taken out of sight and something was made from; as they stand there, to be read like those that are in sight. */
  gone: { record: unknown; block: ItemBlock }[];
  /** All that has no column, in its place: it goes back there at an export. */
  rest: Record<string, unknown>;
}

export interface RunBlock {
  params: [string, string][];
  tags: [string, string][];
  metrics: [key: string, value: number][];
  /** Undefined where the block says nothing of how the run went. */
  state: "finished" | "failed" | "killed" | undefined;
  endedAt: number | undefined;
  commit: string | null;
  /** Null: the run has none, whatever stands in the manifest's own keys. */
  none: ReadonlySet<"pipeline" | "name" | "dataset">;
}

export interface ItemBlock {
  uid: string | undefined;
  name: string | null | undefined;
  /** Where it is not the manifest's. */
  dataset: string | undefined;
  description: string | null;
  metrics: Record<string, unknown>;
  tags: [string, string][];
  kind: "file" | "tree";
  mode: number | undefined;
  files: number;
  path: string | undefined;
  subStep: number | null;
  commit: string | null;
  /** In order. What an id in `depends_on` means that none of them has is the newest of that id. */
  edges: BlockEdge[];
  /** Of a meta-model, in the order of its features; undefined where the ids in `meta_config` say it. */
  sources: ArtifactMark[] | undefined;
  rest: Record<string, unknown>;
}

/** One artifact among others of its id. */
export interface ArtifactMark {
  id: string;
  version: number | undefined;
  uid: string | undefined;
}

export interface BlockEdge extends ArtifactMark {
  role: string;
  implicit: boolean;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const uid = v.pipe(v.string(), v.regex(UUID));
const text = v.optional(v.nullable(v.string()), null);
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const commit = v.optional(v.nullable(v.pipe(v.string(), v.regex(/^[0-9a-f]{4,64}$/i))));
/** NaN is no number to valibot. */
const number = v.union([v.number(), v.nan()]);
const metrics = v.optional(v.record(v.string(), v.union([number, v.picklist(["NaN", "Infinity", "-Infinity"])])), {});
const pairs = v.pipe(
  v.optional(v.record(v.string(), v.union([v.string(), number, v.boolean()])), {}),
  v.transform((map) => Object.entries(map).map(([key, value]): [string, string] => [key, String(value)])),
);
const known = {
  run: {
    params: pairs,
    tags: pairs,
    // a map of the last values, or every point as [key, value, step, time]
    metrics: v.optional(v.union([v.record(v.string(), number), v.array(v.looseTuple([v.string(), v.nullable(number)]))]), {}),
  },
  item: {
    artifact_id: v.string(),
    version,
    uid: v.optional(uid),
    name: v.optional(v.nullable(v.string())),
    dataset: v.optional(v.nullable(v.string())),
    description: text,
    metrics,
    tags: pairs,
    kind: v.optional(v.picklist(["file", "tree"]), "file"),
    mode: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0o7777))),
    files: v.optional(count, 1),
    path: v.optional(v.string()),
    sub_step: v.optional(v.nullable(count), null),
    code_commit: commit,
    edges: v.optional(
      v.array(
        v.looseObject({
          // the manifests of the store itself name edges by uid alone
          to: v.string(),
          version: v.optional(version),
          uid: v.optional(uid),
          role: v.optional(v.string(), "input"),
          implicit: v.optional(v.boolean(), false),
        }),
      ),
      [],
    ),
    meta_sources: v.optional(v.array(v.looseObject({ artifact_id: v.optional(v.string()), version: v.optional(version), source: uid }))),
  },
};
const Run = v.looseObject({
  ...known.run,
  state: v.optional(v.picklist(["finished", "failed", "killed"])),
  ended_at: v.optional(v.nullable(v.union([v.string(), v.number()]))),
  code_commit: commit,
});
const Item = v.looseObject(known.item);
const Gone = v.looseObject({ ...known.item, record: v.unknown() });
const Block = v.looseObject({ run: v.optional(Run), artifacts: v.optional(v.array(Item), []), gone: v.optional(v.array(Gone), []) });

/** @throws ValiError, CofferError NAME_INVALID, PATH_INVALID, MANIFEST_INVALID */
export function readCofferBlock(given: unknown): CofferBlock {
  const block = v.parse(Block, given ?? {});
  const artifacts = Map.groupBy(block.artifacts, (item) => blockKey(item.artifact_id, item.version));
  const { run = v.parse(Run, {}), artifacts: _artifacts, gone, ...rest } = block;
  const others = without(run, known.run);
  const keptRest = { ...(Object.keys(others).length > 0 && { run: others }), ...rest };
  return {
    run: runOf(run),
    artifacts: new Map([...artifacts].map(([key, items]) => [key, items.map(itemOf)])),
    gone: gone.map(({ record, ...item }) => ({ record, block: itemOf(item) })),
    rest: keptRest,
  };
}

export function blockKey(id: string, version: number): string {
  return `${id} ${version}`;
}

function runOf(run: v.InferOutput<typeof Run>): RunBlock {
  const points = Array.isArray(run.metrics)
    ? run.metrics.map(([key, value]): [string, number] => [key, value ?? Number.NaN])
    : Object.entries(run.metrics);
  return {
    params: checkedPairs("param", run.params),
    tags: checkedPairs("tag", run.tags),
    metrics: checkedPairs("metric", points),
    state: run.state,
    // the manifests of the store itself count milliseconds
    endedAt: typeof run.ended_at === "number" ? inCalendar(run.ended_at) : timeOf(run.ended_at),
    commit: run.code_commit ?? null,
    none: new Set((["pipeline", "name", "dataset"] as const).filter((key) => run[key] === null)),
  };
}

function itemOf(item: v.InferOutput<typeof Item>): ItemBlock {
  return {
    uid: item.uid,
    name: typeof item.name === "string" ? checkArtifactName(item.name) : item.name,
    dataset: item.dataset === undefined ? undefined : checkName("dataset", item.dataset ?? DEFAULT_DATASET),
    description: item.description,
    metrics: Object.fromEntries(checkedPairs("metric", Object.entries(item.metrics))),
    tags: checkedPairs("tag", item.tags),
    kind: item.kind,
    // no bits that make whoever runs it somebody else
    mode: item.mode === undefined ? undefined : item.mode & 0o777,
    files: item.files,
    path: item.path === undefined ? undefined : checkArtifactPath(item.path),
    subStep: item.sub_step,
    commit: item.code_commit ?? null,
    edges: item.edges.map(({ to, version: number, uid: own, role, implicit }) => {
      const isUid = own === undefined && number === undefined && UUID.test(to);
      return { id: to, version: number, uid: isUid ? to : own, role: checkName("role", role), implicit };
    }),
    sources: item.meta_sources?.map(({ artifact_id: id, version: number, source }) => ({ id: id ?? source, version: number, uid: source })),
    rest: without(item, known.item),
  };
}

function checkedPairs<V>(what: string, pairs: [string, V][]): [string, V][] {
  for (const [key] of pairs) checkKey(what, key);
  return pairs;
}

function without(map: object, keys: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => !Object.hasOwn(keys, key)));
}
