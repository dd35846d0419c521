/** Where Linux tells of our stdout. */
export const STDOUT_INFO = "/proc/self/fdinfo/1";

/**
 * Whether stdout was closed (`>&-`) when we were started, by what `STDOUT_INFO` says: Bun opens /dev/null in its place. What it opened itself closes at an exec
 * (02000000), so that nobody can have handed it down.
 */
export function wasClosedByInfo(info: string): boolean {
  const flags = /^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? "0";
  return (parseInt(flags, 8) & 0o2000000) !== 0;
}
