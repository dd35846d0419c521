/** How people call an artifact: `name@v3`, or `<run id>/<path>` where it has no name. */
export function artifactRef(artifact: { id: string; name: string | null; version: number }): string {
  return artifact.name === null ? artifact.id : `${artifact.name}@v${artifact.version}`;
}
