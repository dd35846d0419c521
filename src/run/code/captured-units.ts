import type { IngestUnit } from "../../store/ingest/ingest-unit.ts";
import { NO_REPOSITORY } from "./code-state.ts";
import type { CodeState } from "./code-state.ts";
import type { OutputEnd } from "../terminal/output-log.ts";

/** What coffer itself wrote down of a run: its output, and the code that it ran. */
export interface Captured {
  unit: IngestUnit;
  role: "log" | "code";
}

/** `taken`: paths of the run's outputs, which keep their names. What had to be renamed or left out is a sentence in `notes`. */
export function capturedUnits(
  taken: ReadonlySet<string>,
  output: OutputEnd,
  code: CodeState | undefined,
): { captured: Captured[]; notes: string[] } {
  const captured: Captured[] = [];
  const notes: string[] = [];
  const add = (role: Captured["role"], name: string, source: string, move: boolean): void => {
    const path = taken.has(name) ? `coffer-${name}` : name;
    if (path !== name) notes.push(`the workspace has a ${name} of its own: what coffer captured is ${path}`);
    captured.push({ role, unit: { path, source, kind: "file", type: role === "log" ? "log" : "file", class: null, typed: false, move } });
  };
  // a keeper that a straggler still writes to may append: its file must not become the blob
  for (const log of output.logs) if (log.bytes > 0) add("log", log.name, log.path, !log.isOpen);
  if (code?.capture) add("code", "code.tar", code.capture.path, true);
  if (code && code.reason !== null && code.reason !== NO_REPOSITORY) notes.push(`the version of the code is not known: ${code.reason}`);
  for (const skipped of code?.skipped ?? []) notes.push(`not captured with the code: ${skipped.path}: ${skipped.why}`);
  return { captured, notes };
}
