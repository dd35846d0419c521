import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { findManifests } from "../../src/manifest/import/find-manifests.ts";
import { importManifests } from "../../src/manifest/import/import-manifests.ts";
import type { Imported } from "../../src/manifest/import/import-manifests.ts";
import { toYaml } from "../../src/manifest/read/yaml.ts";
import type { Plain } from "../../src/manifest/read/yaml.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import type { TemporaryRoot } from "../support/temporary-root.ts";
import type { TestStore } from "../support/store.ts";

export const UID = "4b975cbc-0f73-4481-b99a-0c793bbe19bf";

type Given = Record<string, Plain> & { artifact_id: string };

/** A tree in the layout of another program, whose items' files hold their own names unless `bytes` says something else. */
export interface ForeignTree extends Disposable {
  readonly root: TemporaryRoot;
  /** Where the bytes of an item lie. */
  file(name: string): string;
  /** Writes a manifest, and a file for each of its items; of `null` there is none. */
  write(
    items: readonly Given[],
    more?: { uid?: string; pipeline?: string; bytes?: Record<string, string | null>; top?: Record<string, Plain> },
  ): string;
  import(test: TestStore, options?: { copy?: boolean }): Promise<Imported>;
}

export function foreignTree(): ForeignTree {
  const root = temporaryRoot();
  const file = (name: string): string => root.at("w/binaries/corn", name);
  return {
    root,
    file,
    write(items, { uid = UID, pipeline = "0001_pls", bytes = {}, top = {} } = {}) {
      const complete = items.map((item) => {
        const path = (item["path"] as string | undefined) ?? `${String(item.artifact_id).replaceAll(":", "-")}.joblib`;
        const text = Object.hasOwn(bytes, path) ? bytes[path] : path;
        if (text !== null && !path.startsWith("..") && !path.startsWith("/")) put(file(path), text as string);
        return {
          content_hash: `sha256:${sha256(text ?? path)}`,
          path,
          size_bytes: (text ?? path).length,
          artifact_type: "model",
          depends_on: [],
          params: {},
          version: null,
          ...item,
        };
      });
      const manifest = {
        schema_version: "2.0",
        uid,
        pipeline_id: pipeline,
        name: "pls",
        dataset: "corn",
        created_at: "2026-11-20T08:22:24.430696+00:00",
        metadata: {},
        artifacts: { schema_version: "2.0", items: complete },
        ...top,
      };
      const path = root.at("w/runs/2026-11-20_corn", pipeline, "manifest.yaml");
      put(path, toYaml(manifest));
      return path;
    },
    import: (test, { copy = false } = {}) => importManifests(test.store, findManifests(root.at("w")), { copy }),
    [Symbol.dispose]: () => root[Symbol.dispose](),
  };
}

export function sha256(text: string | Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex");
}

export function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

export function fixture(): string {
  return join(import.meta.dir, "../fixtures/manifest-tree-v2");
}
