import type { Settings } from "../config/settings.ts";
import { ConfigError } from "../config/file.ts";
import { damagedDatabase } from "../domain/damaged-database.ts";
import { CofferError, EXIT, isMalformed, reason } from "../domain/error.ts";
import { findingsOf } from "../domain/finding.ts";
import type { Finding } from "../domain/finding.ts";
import { strangeRuns } from "../gc/strange-manifests.ts";
import { journalRefusal } from "../store/database/journal-file.ts";
import { journalKnowsMoreAtItsEnd } from "../store/database/journal-knows-more.ts";
import { examineStore } from "../store/examine-store.ts";
import { examineDisks } from "../store/examine-disks.ts";
import type { Store } from "../store/store.ts";
import { countOf } from "../domain/quantity.ts";
import { examineFiles } from "../sync/examine/examine-files.ts";
import { examineOutbox } from "../sync/examine/examine-outbox.ts";
import { examineServer } from "../sync/examine/examine-server.ts";
import { command } from "./command.ts";
import type { Io } from "./io.ts";
import { catchStopSignal } from "./stop-signal.ts";
import { printable } from "./table.ts";

interface Diagnosis {
  schema: "coffer.doctor/1";
  /** Nothing fails. */
  ok: boolean;
  findings: Finding[];
}

export default command(
  {
    flags: {},
    about:
      "Looks at the configuration, the store and the MLflow server, and tries by which way files would get there. Each line is ok, warn or fail, with what to do. Nothing is left behind, here or there: no store, no run, no experiment. What the file systems of the store, the workspaces and the cache can do is tried in a directory that is removed again. A server that does not answer is waited for five seconds.",
    examples: [
      ["coffer doctor", "all of it"],
      ["coffer doctor --json | jq '.findings[] | select(.state != \"ok\")'", "what is not as it should be"],
    ],
    exits: { "0": "nothing fails; there may be warnings", "1": "something fails, the configuration included", "2": "wrong usage" },
  },
  async ({ io }) => {
    const stop = catchStopSignal();
    const findings = await examine(io, stop.signal);
    if (stop.isThere()) return stop.exit();
    const isWell = findings.every(({ state }) => state !== "fail");
    io.print({ schema: "coffer.doctor/1", ok: isWell, findings }, render);
    return isWell ? EXIT.done : EXIT.failed;
  },
);

async function examine(io: Io, signal: AbortSignal): Promise<Finding[]> {
  const { ok, fail } = findingsOf("configuration");
  let settings: Settings;
  try {
    settings = await io.settings();
  } catch (error) {
    if (!(error instanceof CofferError)) throw error;
    const problems = error instanceof ConfigError ? error.problems.map(inFile) : [{ message: error.message, hint: error.hint }];
    return problems.map(({ message, hint }) => fail("file", message, hint));
  }
  const files = [settings.file, settings.userFile].filter((path) => path !== undefined);
  const findings = [ok("file", files.join(", ") || "none: the defaults hold")];
  const opened = await open(io);
  try {
    findings.push(...(await examineStore(settings, opened)));
    if (!(opened instanceof CofferError)) findings.push(...examineManifests(opened), ...examineJournal(opened));
    findings.push(...examineDisks(settings));
    const { findings: ofServer, connection } = await examineServer(settings, io.env, signal);
    findings.push(...ofServer);
    if (!(opened instanceof CofferError)) findings.push(...examineOutbox(opened));
    if (connection)
      findings.push(...(await examineFiles(settings, connection, io.env, opened instanceof CofferError ? undefined : opened)));
  } catch (error) {
    // asked to end: the marker of a probe is gone by now
    if (!signal.aborted) throw error;
  } finally {
    if (!(opened instanceof CofferError)) opened[Symbol.dispose]();
  }
  return findings;
}

/** Whether an older database was put back. */
function examineManifests(store: Store): Finding[] {
  const unknown = strangeRuns(store);
  const [first] = unknown;
  if (!first) return [];
  const { warn } = findingsOf("store");
  if (first.manifest === "manifests") return [warn("manifests", first.because, "gc deletes nothing before that")];
  const found = `manifests tell of ${countOf(unknown.length, "run")} that the database does not know, such as ${first.manifest}`;
  const todo = "an older coffer.db may have been put back: coffer rebuild --force makes it anew from the manifests";
  return [warn("manifests", found, todo)];
}

/** The same, where only the journal tells; and whether changes reach it. */
function examineJournal(store: Store): Finding[] {
  const { warn } = findingsOf("store");
  const journal = "manifests/journal.jsonl";
  const refusal = journalRefusal(store.path(journal));
  if (refusal !== undefined)
    return [warn("journal", `${journal}: ${refusal}`, "coffer verify --repair sets it aside, and writes the journal anew")];
  try {
    const more = journalKnowsMoreAtItsEnd(store);
    if (more === undefined) return [];
    const todo = "an older coffer.db may have been put back, and gc deletes nothing: coffer rebuild --force makes it anew";
    return [warn("journal", `${journal} ${more}`, todo)];
  } catch (error) {
    return [warn("journal", `${journal} cannot be read: ${reason(error)}`, "make it readable: gc deletes nothing before that")];
  }
}

/** Runs of dead processes are left alone: a look changes nothing. */
async function open(io: Io): Promise<Store | CofferError> {
  try {
    return await io.openStore({ make: false, adopt: false, access: "read" });
  } catch (error) {
    if (error instanceof CofferError) return error;
    if (!isMalformed(error)) throw error;
    return damagedDatabase(error);
  }
}

function inFile({ file, line, column, message, hint }: ConfigError["problems"][number]): { message: string; hint: string } {
  return { message: `${file}:${line}:${column}: ${message}`, hint };
}

function render({ findings }: Diagnosis): string {
  const width = findings.reduce((most, { what }) => Math.max(most, what.length), 0);
  let area = "";
  const lines = findings.flatMap((one) => {
    const title = one.area === area ? [] : [one.area];
    area = one.area;
    const line = `  ${one.state.padEnd(4)}  ${one.what.padEnd(width)}  ${one.found}`;
    return [...title, line, ...(one.todo === null ? [] : [`${" ".repeat(width + 10)}→ ${one.todo}`])];
  });
  return lines.map((line) => `${printable(line)}\n`).join("");
}
