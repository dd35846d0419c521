import { REPLACE_DATABASE } from "../../domain/damaged-database.ts";
import { countOf, formatBytes } from "../../domain/quantity.ts";
import type { Io } from "../io.ts";
import { printable } from "../table.ts";
import type { VerifyReport } from "./report.ts";

/** A line for each thing that is damaged or was repaired. */
export function linesOf({ damage, repair }: VerifyReport): string {
  const lines: string[] = [];
  for (const { digest, path, from, source } of repair?.repaired ?? [])
    lines.push(`repaired  ${path}  ${digest === "" ? "-" : digest}  ${from}: ${source}`);
  for (const { digest, path, what, detail, artifacts, more_artifacts: more } of damage) {
    lines.push(`${what}  ${path}  ${digest === "" ? "-" : digest}  ${detail}`);
    for (const { ref, run, path: inRun, state } of artifacts)
      lines.push(`  hits ${ref} (${inRun} of run ${run}${state === "live" ? "" : `, ${state}`})`);
    if (digest !== "" && artifacts.length === 0) lines.push("  hits no artifact: coffer gc takes it");
    if (more > 0) lines.push(`  and ${countOf(more, "artifact")} more`);
  }
  return lines.map((line) => `${printable(line)}\n`).join("");
}

/** What was asked for. */
export interface How {
  isResumed: boolean;
  isSample: boolean;
  isRepair: boolean;
}

/** What it means, and what to do. */
export function sumUp({ say }: Io, report: VerifyReport, how: How): void {
  const { blobs, bytes, damage, repair, strays, touched, unverified } = report;
  const read = `${countOf(blobs, "blob")}, ${formatBytes(bytes)}${how.isSample ? " by chance" : ""}${how.isResumed ? " since the last call" : ""}`;
  if (repair && repair.repaired.length > 0) say.info(`${countOf(repair.repaired.length, "repair")} made, each copy hashed first`);
  if (repair && repair.aside.length > 0)
    say.info(
      `what was damaged is kept, until you remove it: ${repair.aside.slice(0, 3).join(", ")}${repair.aside.length > 3 ? `, and ${repair.aside.length - 3} more` : ""}`,
    );
  for (const { path, error } of repair?.failed ?? []) say.error(`${path} could not be repaired: ${error}`);
  if (damage.length > 0) {
    say.error(`${countOf(damage.length, "fault")}${repair ? " left" : ""} (${read} read)`);
    const hint = whatToDo(report);
    if (hint !== undefined) say.info(hint);
  } else if (report.interrupted) say.info(`${read}: nothing wrong so far`);
  else say.info(`${read}: all whole${repair && repair.repaired.length > 0 ? " now" : ""}`);
  if (unverified > 0) say.info(`${unverified} of them came with an import and had not been read before`);
  sayTouched(say, touched, repair);
  if (strays.length > 0)
    say.info(
      `${countOf(strays.length, "file")} below binaries/ (${formatBytes(strays.reduce((sum, one) => sum + one.bytes, 0))}) that no row names, such as ${strays[0]?.path}: they are no damage, and coffer gc tells what becomes of them`,
    );
  if (report.interrupted) say.warn(`interrupted: this is what was found so far; ${howToGoOn(report, how)}`);
}

/** A repair begins when all is read. */
function howToGoOn({ repair }: VerifyReport, { isSample, isRepair }: How): string {
  if (isSample) return "a sample begins anew";
  if (repair) return "coffer verify --repair, with the same --from, does the rest";
  return `coffer verify${isRepair ? " --repair" : ""} --resume goes on from here`;
}

function sayTouched(say: Io["say"], touched: VerifyReport["touched"], repair: VerifyReport["repair"]): void {
  const replaced = touched.filter(({ what }) => what === "replaced");
  const writable = touched.filter(({ what }) => what === "writable");
  if (replaced.length > 0)
    say.info(
      `${countOf(replaced.length, "file")} had been replaced or written to, such as ${replaced[0]?.path}: the bytes are the right ones, and nothing has to be done`,
    );
  if (repair && repair.closed.length > 0) say.info(`${countOf(repair.closed.length, "file")} could be written to and are read-only now`);
  else if (writable.length > 0)
    say.warn(
      `${countOf(writable.length, "file")} may be written to, such as ${writable[0]?.path}; coffer verify --repair makes them read-only`,
    );
}

function whatToDo({ damage, repair }: VerifyReport): string | undefined {
  if (damage.some(({ what }) => what === "database"))
    return damage.every(({ what, detail }) => what === "database" && detail.includes(" index ")) && !repair
      ? "only indexes of the database are damaged: coffer verify --repair makes them anew"
      : `the database itself is damaged: ${REPLACE_DATABASE}; nothing else is repaired before that`;
  if (damage.every(({ what }) => what === "manifest"))
    return repair || damage.some(({ detail }) => detail.includes("does not know"))
      ? "manifests or the journal tell of more than the database, which may be an older one: coffer rebuild --force makes it anew from them; what nobody needs of them is set aside by adding .aside to its name"
      : "coffer verify --repair writes them anew, as the database has them";
  if (!repair)
    return "coffer verify --repair looks for other copies: in workspaces, the store, the cache, on the MLflow server, and below --from DIR";
  return "no other copy was found: name a place that has one with --from DIR (a backup, a directory), log the same bytes again, or coffer rm what is lost";
}
