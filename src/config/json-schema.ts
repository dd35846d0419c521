import { toJsonSchema } from "@valibot/to-json-schema";
import type { ConversionConfig } from "@valibot/to-json-schema";
import { configSchema } from "./schema.ts";

/** A piece of JSON Schema, as far as it is looked into here. */
export interface Piece {
  description?: string;
  default?: unknown;
  type?: string | string[];
  anyOf?: Piece[];
  properties?: Record<string, Piece>;
  [keyword: string]: unknown;
}

/** JSON Schema (draft 7) of `coffer.yaml` for editors: what may be written there, with a description and the default of each key. */
export function configJsonSchema(): Piece {
  const written = toJsonSchema(configSchema(), { typeMode: "input", overrideAction: fromEditor }) as Piece;
  const root = tidied(written);
  const store = root.properties?.["artifact_store"];
  if (store)
    (root.properties as Record<string, Piece>)["artifact_store"] = {
      description: store.description ?? "",
      anyOf: [store, { type: "string", minLength: 1 }],
    };
  return { $schema: "http://json-schema.org/draft-07/schema#", title: "coffer.yaml", ...root };
}

/** A leaf reads anything and checks it in code; what an editor should know of it is in its metadata. */
const fromEditor: NonNullable<ConversionConfig["overrideAction"]> = ({ valibotAction, jsonSchema }) => {
  const editor = (valibotAction as { metadata?: { editor?: object } }).metadata?.editor;
  return editor ? { ...jsonSchema, ...editor } : undefined;
};

/** “This or null” becomes one flat piece, so that the description stands where an editor looks for it. */
function tidied(piece: Piece): Piece {
  const { anyOf, $schema: _, ...outer } = piece;
  if (anyOf?.length === 2 && anyOf[1]?.type === "null") {
    const { required: _none, editor: _inner, ...inner } = tidied(anyOf[0] as Piece);
    if (inner.properties) return { ...inner, type: ["object", "null"] };
    const { description, anyOf: choices, ...rest } = inner;
    return { ...(description !== undefined && { description }), ...outer, anyOf: [...(choices ?? [rest]), { type: "null" }] };
  }
  if (!piece.properties) return piece;
  return { ...piece, properties: Object.fromEntries(Object.entries(piece.properties).map(([key, value]) => [key, tidied(value)])) };
}
