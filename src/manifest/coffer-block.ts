import * as v from "valibot";
import { checkName, DEFAULT_DATASET } from "../domain/names.ts";

/** What a manifest of coffer says in its `coffer` block, beyond the format. */
export interface CofferBlock {
  run: { params: [string, string][]; tags: [string, string][]; metrics: [key: string, value: number][] };
  /** By artifact id and version. */
  artifacts: Map<string, ItemBlock>;
}

export interface ItemBlock {
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
  commit: string | null;
  /** The role of each dependency, by artifact id; `input` where it is not here. */
  roles: Map<string, string>;
}

const pairs = v.pipe(
  v.optional(v.record(v.string(), v.union([v.string(), v.number(), v.boolean()])), {}),
  v.transform((map) => Object.entries(map).map(([key, value]): [string, string] => [key, String(value)])),
);
const Block = v.looseObject({
  run: v.optional(
    v.looseObject({
      params: pairs,
      tags: pairs,
      // a map of the last values, or every point as [key, value, step, time]
      metrics: v.optional(v.union([v.record(v.string(), v.number()), v.array(v.looseTuple([v.string(), v.nullable(v.number())]))]), {}),
    }),
  ),
  artifacts: v.optional(
    v.array(
      v.looseObject({
        artifact_id: v.string(),
        version: v.pipe(v.number(), v.safeInteger()),
        uid: v.optional(v.string()),
        name: v.optional(v.nullable(v.string())),
        dataset: v.optional(v.nullable(v.string())),
        description: v.optional(v.nullable(v.string()), null),
        metrics: v.optional(v.record(v.string(), v.unknown()), {}),
        tags: pairs,
        kind: v.optional(v.picklist(["file", "tree"]), "file"),
        mode: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0o7777))),
        files: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 1),
        path: v.optional(v.string()),
        code_commit: v.optional(v.nullable(v.string()), null),
        edges: v.optional(v.array(v.looseObject({ to: v.string(), role: v.optional(v.string(), "input") })), []),
      }),
    ),
    [],
  ),
});

/** @throws ValiError, CofferError NAME_INVALID */
export function readCofferBlock(block: unknown): CofferBlock {
  if (block === undefined || block === null) return { run: { params: [], tags: [], metrics: [] }, artifacts: new Map() };
  const { run, artifacts } = v.parse(Block, block);
  // the manifests of the store itself name edges by uid
  const ids = new Map(artifacts.map((item) => [item.uid, item.artifact_id]));
  const metrics = run?.metrics ?? {};
  return {
    run: {
      params: run?.params ?? [],
      tags: run?.tags ?? [],
      metrics: Array.isArray(metrics) ? metrics.map(([key, value]) => [key, value ?? Number.NaN]) : Object.entries(metrics),
    },
    artifacts: new Map(
      artifacts.map((item) => [
        blockKey(item.artifact_id, item.version),
        {
          name: item.name,
          dataset: item.dataset === undefined ? undefined : checkName("dataset", item.dataset ?? DEFAULT_DATASET),
          description: item.description,
          metrics: item.metrics,
          tags: item.tags,
          kind: item.kind,
          mode: item.mode,
          files: item.files,
          path: item.path,
          commit: item.code_commit,
          roles: new Map(item.edges.map(({ to, role }) => [ids.get(to) ?? to, role])),
        },
      ]),
    ),
  };
}

export function blockKey(id: string, version: number): string {
  return `${id} ${version}`;
}
