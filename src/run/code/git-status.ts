export interface GitStatus {
  /** null in a repository without commits. */
  commit: string | null;
  /** null when HEAD is detached. */
  branch: string | null;
  /** Such as `origin/main`. */
  upstream: string | null;
  /** Tracked paths that differ from the commit; a rename is two. */
  changed: string[];
  /** A directory ends with a slash. */
  untracked: string[];
}

/** Reads `git status --porcelain=v2 --branch -z --no-renames`. */
export function parseGitStatus(text: string): GitStatus {
  const status: GitStatus = { commit: null, branch: null, upstream: null, changed: [], untracked: [] };
  for (const line of text.split("\0")) {
    if (line.startsWith("# branch.oid ")) status.commit = known(line.slice(13), "(initial)");
    else if (line.startsWith("# branch.head ")) status.branch = known(line.slice(14), "(detached)");
    else if (line.startsWith("# branch.upstream ")) status.upstream = line.slice(18);
    else if (line.startsWith("? ")) status.untracked.push(line.slice(2));
    else if (line.startsWith("1 ")) status.changed.push(afterFields(line, 8));
    else if (line.startsWith("u ")) status.changed.push(afterFields(line, 10));
  }
  return status;
}

function known(value: string, none: string): string | null {
  return value === none ? null : value;
}

function afterFields(line: string, count: number): string {
  let from = 0;
  for (let field = 0; field < count; field++) from = line.indexOf(" ", from) + 1;
  return line.slice(from);
}
