/** The digest of the blob `alias`, as people write it; SQL. */
export function digestWords(alias: string): string {
  return `ifnull('blake3:' || lower(hex(${alias}.blake3)), 'sha256:' || lower(hex(${alias}.sha256)))`;
}

/** How people know the blob `alias`: `path (digest)`, or its digest where it has no file of its own; SQL. One string of each takes a third of the memory of its parts. */
export function blobWords(alias: string): string {
  const digest = digestWords(alias);
  return `iif(${alias}.place = 'file', ${alias}.path || ' (' || ${digest} || ')', ${digest})`;
}
