import { CofferError } from "../domain/error.ts";

export type Env = Readonly<Record<string, string | undefined>>;

/**
 * Expands `${VAR}` and `${VAR:default}` in every text of a value; `$$` is a dollar. An empty variable counts as unset where there is a default.
 * Defaults are taken as they stand: nothing is expanded inside one, and nothing in what a variable holds.
 * @throws CofferError CONFIG_INVALID for a variable that is not set and has no default, and for what only looks like a variable
 */
export function interpolate(value: unknown, env: Env): unknown {
  if (typeof value === "string") return value.includes("$") ? expanded(value, env) : value;
  if (Array.isArray(value)) return value.map((item: unknown) => (typeof item === "string" ? interpolate(item, env) : item));
  return value;
}

function expanded(text: string, env: Env): string {
  return text.replace(/\$\$|\$\{([^}]*)(\}?)/g, (whole, inside: string | undefined, closed: string | undefined) => {
    if (whole === "$$") return "$";
    const [, name = "", colon, whenUnset = ""] = /^([A-Za-z_][A-Za-z0-9_]*)(?:(:)([^]*))?$/.exec(inside ?? "") ?? [];
    if (name === "" || closed !== "}")
      throw new CofferError("CONFIG_INVALID", "holds “${” without a variable", {
        hint: "write ${NAME} or ${NAME:default}, and $$ for a dollar",
      });
    // shells write ${NAME:-default}; read our way the dash would quietly become part of the value
    if (whenUnset.startsWith("-"))
      throw new CofferError("CONFIG_INVALID", `writes a default as shells do, after “:-”`, {
        hint: `write \${${name}:${whenUnset.slice(1)}}`,
      });
    const value = env[name];
    if (colon !== undefined) return value === undefined || value === "" ? whenUnset : value;
    if (value === undefined)
      throw new CofferError("CONFIG_INVALID", `names the variable ${name}, which is not set`, {
        hint: `set ${name}, or write a default: \${${name}:…}`,
      });
    return value;
  });
}
