import { readFileSync } from "node:fs";

/** A file system and where it is seen. Where it comes from is left out: that may hold a user's name, or more. */
export interface Mount {
  /** Absolute. */
  point: string;
  /** As the kernel calls it: `ext4`, `nfs4`, `fuse.sshfs`. */
  type: string;
  /** Of this mount and of the file system, together. */
  options: string[];
}

/** What is mounted, in the order in which it was. Empty where there is no such list (not on Linux). */
export function mountTable(): Mount[] {
  try {
    return parseMounts(readFileSync("/proc/self/mountinfo", "utf8"));
  } catch {
    return [];
  }
}

export function parseMounts(table: string): Mount[] {
  return table
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const fields = line.split(" ");
      // a few optional fields end at a dash
      const dash = fields.indexOf("-", 6);
      const options = [fields[5], fields[dash + 3]].join(",").split(",");
      return { point: unescaped(fields[4] ?? ""), type: unescaped(fields[dash + 1] ?? ""), options: options.filter((one) => one !== "") };
    });
}

/** The mount that a path lies on, links in it followed by the caller: of those around it the nearest, and of two at one place the later. */
export function mountAround(path: string, mounts: readonly Mount[]): Mount | undefined {
  const isAround = ({ point }: Mount): boolean => path === point || point === "/" || path.startsWith(`${point}/`);
  let found: Mount | undefined;
  for (const mount of mounts) if (isAround(mount) && mount.point.length >= (found?.point.length ?? 0)) found = mount;
  return found;
}

/** Blanks and the like stand as octal numbers of their bytes. */
function unescaped(text: string): string {
  return text.replace(/(?:\\[0-7]{3})+/g, (octal) =>
    Buffer.from(
      octal
        .split("\\")
        .slice(1)
        .map((digits) => Number.parseInt(digits, 8)),
    ).toString(),
  );
}
