import * as artifacts from "../../db/records/artifacts.ts";
import * as outbox from "../../db/delivery/outbox.ts";
import type { RunRow } from "../../db/records/runs.ts";
import { displayUrl } from "../../domain/secret.ts";
import { prepareTag } from "../../mlflow/tracking/log-values.ts";
import type { Tag } from "../../mlflow/tracking/log-values.ts";
import type { RemoteRun } from "../../mlflow/tracking/runs.ts";
import type { Delivering } from "../sync.ts";
import { tell } from "../tell.ts";

/** What MLflow's page shows, as Markdown, above everything else. */
const NOTE = "mlflow.note.content";

/** What the page of a run shows of where it came from. */
export function sourceTags(run: RunRow): Tag[] {
  const words = run.command === null ? [] : (JSON.parse(run.command) as string[]);
  const tags: [string, string | null][] = [
    ["mlflow.source.name", words.length > 0 ? words.join(" ") : `coffer ${run.kind}`],
    ["mlflow.source.type", "LOCAL"],
    ["mlflow.source.git.commit", run.code_commit],
    ["mlflow.source.git.branch", run.code_branch],
    ["mlflow.source.git.repoURL", run.code_remote === null ? null : displayUrl(run.code_remote)],
    ["mlflow.source.git.dirty", run.code_dirty === null ? null : String(run.code_dirty === 1)],
  ];
  return tags.flatMap(([key, value]) => (value === null || value === "" ? [] : [{ key, value }]));
}

/** MLflow's id of the run around this one, where this server has it. */
export function parentTag({ sync: { store, target }, run }: Delivering): Tag[] {
  const parent = run.parent === null ? null : outbox.deliveryOf(store.db, run.parent, target);
  return parent?.remote_run ? [{ key: "mlflow.parentRunId", value: parent.remote_run }] : [];
}

/** The run's own note, and below it what was said of its artifacts; nothing where nobody said anything. */
export function noteTag({ sync: { store }, run }: Delivering): Tag[] {
  const described = new Map<string, string>();
  for (const { path, description } of artifacts.ofRun(store.db, run.seq)) if (description) described.set(path, description);
  const list = [...described].map(([path, words]) => `- \`${path}\`: ${words.replace(/\s*\n\s*/g, " ")}`).join("\n");
  const value = [run.note ?? "", list].filter((part) => part.trim() !== "").join("\n\n");
  return value === "" ? [] : [{ key: NOTE, value }];
}

/** The note, if the page is to get it: what somebody wrote there since stays. `remote`: the run as it was just read, or made with this note. */
export function freshNote(one: Delivering, remote: RemoteRun | undefined): Tag[] {
  const [note] = noteTag(one);
  if (!note || !remote || prepareTag(note).value.value === one.delivery.note_sent) return [];
  const there = remote.tags.get(NOTE) ?? "";
  if (there === prepareTag(note).value.value) keepNote(one, note);
  else if (there === "" || there === one.delivery.note_sent) return [note];
  else tell(one, { kind: "skipped", message: "the note on MLflow's page was written there, so the run's own does not take its place" });
  return [];
}

/** The page has this note now. */
export function keepNote({ sync: { store }, delivery }: Delivering, note: Tag): void {
  const { value } = prepareTag(note).value;
  delivery.note_sent = value;
  store.transaction(() => outbox.updateDelivery(store.db, delivery.seq, { note_sent: value }));
}
