import { existsSync } from "node:fs";
import { join } from "node:path";
import { configKeys } from "../../config/settings.ts";
import { formatDuration } from "../../domain/quantity.ts";
import { reason } from "../../domain/error.ts";
import { displayUrl } from "../../domain/secret.ts";
import { cacheLimits, limitOrigin, LIMIT_NAMES } from "../../store/cache/limits.ts";
import type { LimitOrigin } from "../../store/cache/limits.ts";
import { command } from "../command.ts";
import type { Io } from "../io.ts";

type ShownValue = { key: string; value: unknown } & LimitOrigin;

interface Shown {
  schema: "coffer.config/1";
  /** The project's file. */
  file: string | null;
  /** The user's file. */
  user_file: string | null;
  roots: { store: string; workspace: string; mlflow: string };
  /** Sizes in bytes, durations in milliseconds; URLs without their user part. */
  values: ShownValue[];
}

export default command(
  {
    flags: {},
    about:
      "Every key with its value and where it comes from: a flag outranks the environment, that the project's file, that the user's file, that the default. The limits of the cache may come from the store itself, whose coffer cache set-size outranks them all. URLs are shown without their user part.",
    examples: [
      ["coffer config show", "the configuration that holds here"],
      ["coffer config show --json", "the same for programs; sizes in bytes, durations in milliseconds"],
    ],
  },
  async ({ io }) => {
    const settings = await io.settings();
    const own = await limitsOfStore(io);
    const values = configKeys().map(
      (key) => own.find((limit) => limit.key === key) ?? { key, value: safe(at(settings.values, key)), ...settings.origin(key) },
    );
    io.print(
      {
        schema: "coffer.config/1",
        file: settings.file ?? null,
        user_file: settings.userFile ?? null,
        roots: settings.roots,
        values,
      } satisfies Shown,
      render,
    );
  },
);

/** The store's own limits of its cache outrank the configuration. Where there is no store, or none that can be opened, the configuration is all there is. */
async function limitsOfStore(io: Io): Promise<ShownValue[]> {
  const { roots } = await io.settings();
  if (!existsSync(join(roots.store, "coffer.db"))) return [];
  try {
    using store = await io.openStore({ make: false, adopt: false, access: "read" });
    const limits = cacheLimits(store);
    return LIMIT_NAMES.map((name) => ({ key: `cache.${name}`, value: limits[name], ...limitOrigin(store, name) }));
  } catch (error) {
    io.say.warn(`what coffer cache set-size may have set cannot be seen: ${reason(error)}`);
    return [];
  }
}

function render({ values }: Shown): string {
  const rows = values.map(
    ({ key, value, source, where }) =>
      [key, readable(key, value), source === "default" && where === "built in" ? "default" : `${source}: ${where}`] as const,
  );
  const keyWidth = Math.max(...rows.map(([key]) => key.length));
  const valueWidth = Math.min(40, Math.max(...rows.map(([, value]) => value.length)));
  return rows.map(([key, value, origin]) => `${key.padEnd(keyWidth)}  ${value.padEnd(valueWidth)}  ${origin}`).join("\n");
}

function readable(key: string, value: unknown): string {
  if (value === null) return "no limit";
  if (value === "") return "not set";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(" ");
  if (typeof value === "number" && key.endsWith(".max_size")) return exactBytes(value);
  if (typeof value === "number" && key.endsWith(".grace")) return formatDuration(value);
  return String(value);
}

/** As a person would write it in the file: exact, in the largest unit that divides it. */
function exactBytes(bytes: number): string {
  for (const [unit, size] of Object.entries({
    TB: 1e12,
    TiB: 1024 ** 4,
    GB: 1e9,
    GiB: 1024 ** 3,
    MB: 1e6,
    MiB: 1024 ** 2,
    kB: 1e3,
    KiB: 1024,
  }))
    if (bytes > 0 && bytes % size === 0) return `${bytes / size}${unit}`;
  return String(bytes);
}

function safe(value: unknown): unknown {
  return typeof value === "string" ? displayUrl(value) : value;
}

function at(values: object, key: string): unknown {
  return key.split(".").reduce<unknown>((node, part) => (node as Record<string, unknown>)[part], values);
}
