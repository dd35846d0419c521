/** Every value of a nested configuration by its dotted key. */
export function leaves(tree: object): Map<string, unknown> {
  const found = new Map<string, unknown>();
  const walk = (node: object, lead: string): void => {
    for (const [key, value] of Object.entries(node) as [string, unknown][])
      if (isSection(value)) walk(value, `${lead}${key}.`);
      else found.set(`${lead}${key}`, value);
  };
  walk(tree, "");
  return found;
}

/** A copy of `tree` in which `values`, by dotted key and of the schema's types, replace what was there. */
export function filled<T extends object>(tree: T, values: ReadonlyMap<string, unknown>): T {
  const copied = (node: object, lead: string): object => {
    const copy: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(node) as [string, unknown][]) {
      const name = lead + key;
      copy[key] = isSection(value) ? copied(value, `${name}.`) : values.has(name) ? values.get(name) : value;
    }
    return copy;
  };
  return copied(tree, "") as T;
}

export function isSection(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
