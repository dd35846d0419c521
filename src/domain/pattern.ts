/**
 * The one glob matcher: ignore, output, retain and skip rules all use it.
 *
 * A pattern without a slash matches any whole part of a path (`__pycache__`, `*.log`: the file or a directory above it).
 * A pattern with a slash matches the path from its root (`models/*.pt`, `logs/**`), or a directory above the file.
 * `*`, `?`, `[…]`, `{a,b}` and `**` are Bun's Glob; a trailing slash is dropped.
 */
export function matcher(patterns: readonly string[]): (path: string) => boolean {
  if (patterns.length === 0) return () => false;
  // most are plain names, and are asked of each file of a directory
  const names = new Set<string>();
  const parts: Bun.Glob[] = [];
  const paths: Bun.Glob[] = [];
  for (const pattern of patterns) {
    const plain = pattern.replace(/^\.\//, "").replace(/\/+$/, "");
    if (plain === "") continue;
    if (plain.includes("/")) paths.push(new Bun.Glob(plain.replace(/^\//, "")));
    else if (PLAIN.test(plain)) names.add(plain);
    else parts.push(new Bun.Glob(plain));
  }
  const isNamed = (name: string): boolean => names.has(name) || parts.some((glob) => glob.match(name));
  // files come directory by directory
  let above = "";
  let isAboveMatched = false;
  const matches = (path: string): boolean => {
    const cut = path.lastIndexOf("/");
    if (cut > 0) {
      const directory = path.slice(0, cut);
      if (directory !== above) {
        isAboveMatched = matches(directory);
        above = directory;
      }
      if (isAboveMatched) return true;
    }
    return isNamed(cut < 0 ? path : path.slice(cut + 1)) || paths.some((glob) => glob.match(path));
  };
  return matches;
}

/** Nothing in it means anything but itself. */
const PLAIN = /^[^*?[\]{}!\\]+$/;
