import { CofferError } from "./error.ts";

const MAX_NAME = 200;

/** That of what belongs to no other. */
export const DEFAULT_DATASET = "default";

/**
 * Names, aliases, tags' keys, datasets and ids that people give: no slash, no control character, no blank at an end,
 * not `.` or `..`, at most 200 characters.
 * @throws CofferError NAME_INVALID
 */
export function checkName(what: string, name: string): string {
  const why = fault(name);
  if (why)
    throw new CofferError(
      "NAME_INVALID",
      `not ${/^[aeiou]/.test(what) ? "an" : "a"} ${what}: ${JSON.stringify(name.slice(0, 60))}: ${why}`,
      {
        hint: "use letters, digits, dots, dashes and underscores",
      },
    );
  return name;
}

/**
 * An artifact's name. `@` separates a version, so it is not part of a name; neither is the colon, but in an execution-path id. What reads as a digest or as a run's id
 * is none either.
 * @throws CofferError NAME_INVALID
 */
export function checkArtifactName(name: string): string {
  checkName("name", name);
  if (name.includes("@"))
    throw new CofferError("NAME_INVALID", `not a name: “${name}”: “@” separates a version`, { hint: "leave the @ out" });
  if (/^(blake3|sha256):/.test(name))
    throw new CofferError("NAME_INVALID", `not a name: “${name}”: it reads as a digest`, { hint: "choose another name" });
  if (RUN_ID.test(name))
    throw new CofferError("NAME_INVALID", `not a name: “${name}”: it reads as the id of a run`, { hint: "choose another name" });
  return name;
}

/** A UUID; of those that we make (version 7) also the beginning, from where it cannot be a date. As a reference the name would come first, and hide the run. */
const RUN_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$|^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f-]{0,21}$/i;

/**
 * An alias. `latest`, `v1`, `v2`, … have their own meaning.
 * @throws CofferError NAME_INVALID
 */
export function checkAlias(alias: string): string {
  checkName("alias", alias);
  if (/[@:]/.test(alias)) throw new CofferError("NAME_INVALID", `not an alias: “${alias}”`, { hint: "leave out @ and :" });
  if (alias === "latest" || /^v[0-9]+$/.test(alias))
    throw new CofferError("NAME_INVALID", `“${alias}” is reserved`, { hint: "choose another alias, such as best" });
  return alias;
}

/**
 * A path that stays inside: relative, `/` between parts, no empty, `.` or `..` part, no NUL; each part at most 255 bytes.
 * @throws CofferError PATH_INVALID
 */
export function checkArtifactPath(path: string): string {
  const parts = path.split("/");
  const bad =
    path === "" ||
    path.includes("\0") ||
    parts.some((part) => part === "" || part === "." || part === ".." || Buffer.byteLength(part) > 255);
  if (bad || Buffer.byteLength(path) > 4096)
    throw new CofferError("PATH_INVALID", `not a path inside a run: ${JSON.stringify(path.slice(0, 80))}`, {
      hint: "give a relative path without .., empty parts or parts over 255 bytes",
    });
  return path;
}

/** A part of a file name that any file system takes: odd characters become `_`. */
export function filePart(text: string): string {
  const plain = text
    .replace(/[^A-Za-z0-9.+-]/g, "_")
    .replace(/^\.+/, "_")
    .slice(0, 60);
  return plain === "" ? "-" : plain;
}

function fault(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (name === "." || name === "..") return "it is a path";
  if (name.length > MAX_NAME) return `it is longer than ${MAX_NAME} characters`;
  if (name.includes("/") || name.includes("\\")) return "it has a slash";
  if ([...name].some((char) => char < " " || char === "\x7f")) return "it has a control character";
  if (name.trim() !== name) return "it begins or ends with a blank";
  return undefined;
}
