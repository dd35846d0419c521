import { expect, test } from "bun:test";
import * as v from "valibot";
import { configJsonSchema } from "../../src/config/json-schema.ts";
import type { Piece } from "../../src/config/json-schema.ts";
import { DEFAULTS } from "../../src/config/defaults.ts";
import { configSchema } from "../../src/config/schema.ts";
import { leaves } from "../../src/config/sections.ts";
import { requireUsableType } from "../../src/config/usable-type.ts";

test("the plain defaults are those of the schema", () => {
  expect(v.parse(configSchema(), {})).toEqual(DEFAULTS);
  expect(v.parse(configSchema(), null)).toEqual(DEFAULTS);
  expect(v.parse(configSchema(), { artifact_store: { cleanup_policy: null }, tracking: { mlflow: null, hpo: {} }, cache: null })).toEqual(
    DEFAULTS,
  );
});

test("only a local store can be used", () => {
  expect(() => requireUsableType(DEFAULTS)).not.toThrow();
  for (const type of ["s3", "gcs", "azure"] as const)
    expect(() => requireUsableType({ ...DEFAULTS, artifact_store: { ...DEFAULTS.artifact_store, type } })).toThrow(
      expect.objectContaining({
        code: "STORE_TYPE_UNUSABLE",
        message: expect.stringContaining(type),
        hint: expect.stringContaining("local"),
      }),
    );
});

test("the JSON Schema knows every key, with a description and a default", () => {
  const schema = configJsonSchema();
  const found: string[] = [];
  const walk = (piece: Piece, lead: string): void => {
    for (const [key, inner] of Object.entries(piece.properties ?? piece.anyOf?.[0]?.properties ?? {})) {
      expect(inner.description, lead + key).toMatch(/./);
      const isSection = inner.properties !== undefined || inner.anyOf?.[0]?.properties !== undefined;
      if (isSection) {
        expect((inner.properties ? inner : inner.anyOf?.[0])?.["additionalProperties"], lead + key).toBe(false);
        walk(inner, `${lead}${key}.`);
        continue;
      }
      expect(inner, lead + key).toHaveProperty("default");
      found.push(lead + key);
    }
  };
  walk(schema, "");
  expect(found.toSorted()).toEqual([...leaves(DEFAULTS).keys()].toSorted());
});

test("the JSON Schema says what may be written: words, variables, null", () => {
  const workspace = configJsonSchema().properties?.["workspace"]?.properties;
  expect(workspace?.["policy"]?.anyOf).toEqual([
    { enum: ["separated", "scratch"] },
    { type: "string", pattern: "\\$\\{.+\\}" },
    { type: "null" },
  ]);
  expect(workspace?.["retain"]).toMatchObject({ default: ["*.log"], anyOf: [{ type: "array" }, { type: "null" }] });
  expect(JSON.stringify(configJsonSchema())).not.toContain('"editor"');
});
