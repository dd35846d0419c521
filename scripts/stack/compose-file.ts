import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import * as v from "valibot";
import { parseDuration } from "../../src/domain/quantity.ts";

const serviceSchema = v.strictObject({
  image: v.optional(v.string()),
  build: v.optional(v.strictObject({ context: v.string(), dockerfile: v.string() })),
  working_dir: v.optional(v.string()),
  command: v.optional(v.array(v.string()), []),
  // both are about containers: a process here gets its signals itself, and has all the time that it takes
  init: v.optional(v.boolean()),
  stop_grace_period: v.optional(v.string()),
  environment: v.optional(v.record(v.string(), v.string()), {}),
  volumes: v.optional(v.array(v.string()), []),
  ports: v.optional(v.array(v.string()), []),
  depends_on: v.optional(v.record(v.string(), v.strictObject({ condition: v.literal("service_healthy") })), {}),
  healthcheck: v.optional(
    v.strictObject({
      test: v.tupleWithRest([v.picklist(["CMD", "CMD-SHELL"])], v.string()),
      interval: v.string(),
      timeout: v.string(),
      retries: v.number(),
    }),
  ),
});

/** The part of a compose file that the stack of processes can do. Another key is an error: it would be left out silently. */
const fileSchema = v.strictObject({
  name: v.string(),
  services: v.record(v.string(), serviceSchema),
  volumes: v.record(v.string(), v.nullable(v.strictObject({}))),
});

export type ComposeFile = v.InferOutput<typeof fileSchema>;
export type Service = v.InferOutput<typeof serviceSchema>;

export const COMPOSE_FILE = join(import.meta.dir, "../../docker-compose.yml");

/** docker-compose.yml with its variables filled in. @throws Error for what the stack of processes does not know */
export function readComposeFile(env: Readonly<Record<string, string | undefined>>): ComposeFile {
  return v.parse(fileSchema, interpolate(parse(readFileSync(COMPOSE_FILE, "utf8")), env));
}

/** Milliseconds after which compose gives a service up that is never healthy. */
export function patienceOf({ healthcheck }: Service): number {
  return healthcheck ? parseDuration(healthcheck.interval) * healthcheck.retries : 0;
}

/** `${NAME}`, `${NAME:-default}` (also for an empty one) and `$$`, as compose does it. */
function interpolate(value: unknown, env: Readonly<Record<string, string | undefined>>): unknown {
  if (Array.isArray(value)) return value.map((item) => interpolate(item, env));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, interpolate(item, env)]));
  if (typeof value !== "string") return value;
  return value.replace(/\$(?:(\$)|\{(\w+)(?::-([^}]*))?\}|)/g, (all, dollar?: string, name?: string, fallback = "") => {
    if (dollar) return "$";
    if (name === undefined) throw new Error(`${COMPOSE_FILE}: “${value}” has “${all}”, which is no \${NAME} or $$`);
    return env[name] || fallback;
  });
}
