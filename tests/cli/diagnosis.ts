import type { Finding } from "../../src/domain/finding.ts";
import type { Place } from "./run-place.ts";

/** What `coffer doctor` found. */
export interface Diagnosis {
  code: number | null;
  ok: boolean;
  findings: Finding[];
  /** `state: found → todo` of a finding. */
  of(area: Finding["area"], what: string): string | undefined;
}

export async function examine(here: Place, env: Record<string, string> = {}): Promise<Diagnosis> {
  const result = await here.coffer(["doctor", "--json"], { env });
  const { ok, findings } = result.json<{ ok: boolean; findings: Finding[] }>();
  return {
    code: result.code,
    ok,
    findings,
    of(area, what) {
      const one = findings.find((finding) => finding.area === area && finding.what === what);
      return one && `${one.state}: ${one.found}${one.todo === null ? "" : ` → ${one.todo}`}`;
    },
  };
}
