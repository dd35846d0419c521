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
  return (path) => {
    const own = path.split("/");
    if (own.some((name) => names.has(name) || parts.some((glob) => glob.match(name)))) return true;
    if (paths.length === 0) return false;
    for (let end = own.length; end > 0; end--) {
      const upTo = own.slice(0, end).join("/");
      if (paths.some((glob) => glob.match(upTo))) return true;
    }
    return false;
  };
}

/** Nothing in it means anything but itself. */
const PLAIN = /^[^*?[\]{}!\\]+$/;
