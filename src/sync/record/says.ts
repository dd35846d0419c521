import * as params from "../../db/records/params.ts";
import * as tags from "../../db/records/tags.ts";
import type { Store } from "../../store/store.ts";

/** What a run says by names, as texts that are compared: whoever tells it sees whether something came in meanwhile. */
export interface Says {
  params: string;
  tags: string;
}

/** `run`: its seq. */
export function saysOf({ db }: Store, run: number): Says {
  return { params: JSON.stringify(params.ofRun(db, run)), tags: JSON.stringify(tags.of(db, "run", run)) };
}
