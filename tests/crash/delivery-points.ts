import type { At } from "./kill-at.ts";

/** Where deliveries are killed, in the order in which one comes there: what is settled is not sent again, so that each of them is reached. */
export const OVER_HTTP: readonly At[] = [
  "sync.claimed",
  "sync.run-asked",
  "sync.run-made",
  // of the run around ours, whose end comes next; then ours
  "sync.step-settled",
  "sync.end-sent",
  "sync.read-back",
  "sync.settled",
  "sync.params-sent",
  "sync.tags-sent",
  "sync.metrics-sent",
  "sync.metrics-noted",
  "sync.inputs-sent",
  "sync.file-sent",
  "sync.files-settled",
  "sync.model-made",
  "sync.model-finished",
  "sync.models-named",
];

export const ON_ONE_DISK: readonly At[] = ["sync.file-placed", "sync.file-placed@10", "sync.files-settled@3"];

export const IN_PARTS: readonly At[] = ["sync.upload-begun", "sync.part-sent", "sync.part-noted", "sync.upload-completed"];
