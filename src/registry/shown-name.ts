import type { ArtifactRow } from "../db/records/artifacts.ts";
import { artifactRef } from "../domain/artifact-ref.ts";

/** As people know an artifact of a run: by its name and version, else by its path. */
export function shownName(artifact: ArtifactRow): string {
  return artifactRef({ ...artifact, id: artifact.path });
}
