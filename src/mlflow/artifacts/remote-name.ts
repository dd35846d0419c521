import { checkArtifactPath } from "../../domain/names.ts";
import { shortHash } from "../short-hash.ts";

/**
 * The path at which an artifact can lie on an MLflow server and be read again. Nearly every path stays as it is, byte for byte.
 * MLflow mangles or refuses these, so `_` takes their place, and a hash of the part before its extension, so that two never become one
 * (`loss#1.png` → `loss_1-9aaa49.png`): control characters, `#`, `%` before two hex digits, `?` and `;` at the end of a part, `;` before `?`, halves of
 * surrogate pairs, a part that begins with `.artifact.uploading.`; and at the beginning of the path a blank, `\\`, or what reads as a scheme or a drive (`C:`, `x:y`, `1:`, `~:`).
 * @throws CofferError PATH_INVALID for a path that does not stay inside
 */
export function remoteName(path: string): { path: string; changed: boolean } {
  const mapped = checkArtifactPath(path)
    .split("/")
    .map((part, index) => remotePart(part, index === 0))
    .join("/");
  return { path: mapped, changed: mapped !== path };
}

function remotePart(part: string, first: boolean): string {
  let plain = part
    .replace(/[\p{Cc}#]/gu, "_")
    .replace(/%(?=[0-9a-f]{2})/gi, "_")
    .replace(/;+(?=\?)/g, (empty) => "_".repeat(empty.length))
    .replace(/[?;]+$/, (end) => "_".repeat(end.length))
    .replace(/^\.artifact\.uploading\./i, "_artifact.uploading.");
  if (!plain.isWellFormed()) plain = plain.toWellFormed().replaceAll("\uFFFD", "_");
  if (first)
    plain = plain
      .replace(/^\s+/, (blanks) => "_".repeat(blanks.length))
      .replace(/^\\(\\|$)/, (start) => "_".repeat(start.length))
      // a drive may be any character: what counts as one differs between the Pythons that servers run on
      .replace(/^([a-z0-9+.-]+|.):/isu, "$1_");
  return plain === part ? part : withHash(plain, part);
}

function withHash(plain: string, original: string): string {
  const dot = plain.lastIndexOf(".");
  const extension = dot > 0 && plain.length - dot <= 16 ? plain.slice(dot) : "";
  const tail = `-${shortHash(original)}${extension}`;
  let stem = plain.slice(0, plain.length - extension.length);
  while (Buffer.byteLength(stem + tail) > 255) stem = [...stem].slice(0, -1).join("");
  return stem + tail;
}
