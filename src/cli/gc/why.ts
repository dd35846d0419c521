import * as artifacts from "../../db/records/artifacts.ts";
import type { ArtifactRow } from "../../db/records/artifacts.ts";
import { CofferError } from "../../domain/error.ts";
import { formatBytes } from "../../domain/quantity.ts";
import { checkDatabase } from "../../gc/check-database.ts";
import type { GcRules } from "../../gc/plan/rules.ts";
import { explainBytes } from "../../gc/why/why-bytes.ts";
import type { BytesWhy } from "../../gc/why/why-bytes.ts";
import { explain, openWhy } from "../../gc/why/why.ts";
import type { ArtifactWhy } from "../../gc/why/why.ts";
import { resolve, resolveArtifact } from "../../registry/resolve.ts";
import type { Store } from "../../store/store.ts";
import { command } from "../command.ts";
import { hintAtServers } from "../server-hint.ts";
import { gcRules, RULE_FLAGS } from "./rules.ts";
import { fields } from "../table.ts";

export default command(
  {
    positionals: [
      {
        name: "REF",
        description: "an artifact, also a deleted one; a run, for all that it made; a digest; a file: binaries/…",
        required: true,
      },
    ],
    flags: RULE_FLAGS,
    about: `Everything that keeps an artifact from gc: that it is the newest of its name, pins, aliases, processes that use it, deliveries that are not made, and what was
made from it, with the way to what stays by itself. Else the rule that takes it, or what would have to happen; of a deleted one, when and why it went.

The rules are those that gc would have with the same flags. Of a digest or a file it tells which artifacts have these bytes, and why each is there.`,
    examples: [
      ["coffer gc why churn-model@v1", "why gc leaves it, or takes it"],
      ["coffer gc why churn-model@v1 --max-versions 3", "what gc --max-versions 3 would say"],
      ["coffer gc why blake3:8e4c7c1b99db", "who needs these bytes"],
    ],
    exits: { "4": "there is no such run or artifact", "5": "the database is damaged" },
  },
  async ({ flags, positionals, io }) => {
    const { values } = await io.settings();
    const rules = gcRules(flags, values);
    const ref = positionals[0] as string;
    using store = await io.openStore({ make: false, access: "read" });
    checkDatabase(store, { thoroughly: false });
    let told = tell(store, ref, rules, { thoroughly: false });
    if (told.bytes?.goes || told.artifacts.some(({ goes }) => goes)) told = tell(store, ref, rules, { thoroughly: true });
    io.print({ schema: "coffer.gc-why/1" as const, ref, ...told }, render);
    if (told.bytes === null && told.artifacts.length === 0)
      io.say.info("this run has no artifacts; coffer gc --workspaces tells of its workspace");
    const kept = told.artifacts.flatMap(({ keeps }) => keeps.map(({ because }) => because));
    hintAtServers(io, store, (target) => kept.some((because) => because.includes(` ${target} `)));
  },
);

function tell(
  store: Store,
  ref: string,
  rules: GcRules,
  options: { thoroughly: boolean },
): { bytes: BytesWhy | null; artifacts: ArtifactWhy[] } {
  openWhy(store, options);
  return explainBytes(store, ref, rules) ?? { bytes: null, artifacts: artifactsOf(store, ref).map((row) => explain(store, row, rules)) };
}

/** Of a run: all that it made and that is there. */
function artifactsOf(store: Store, ref: string): ArtifactRow[] {
  const run = runOf(store, ref);
  return run === undefined ? [artifactOf(store, ref)] : artifacts.ofRun(store.db, run, "kept");
}

/** The seq of the run that a reference means; undefined where it means none. */
function runOf(store: Store, ref: string): number | undefined {
  try {
    const found = resolve(store, ref, "kept");
    return found.kind === "run" ? found.run.seq : undefined;
  } catch (error) {
    if (error instanceof CofferError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}

/** What is in sight before what is not: a name means its newest version that is there. */
function artifactOf(store: Store, ref: string): ArtifactRow {
  for (const scope of ["live", "kept"] as const)
    try {
      return artifacts.bySeq(store.db, resolveArtifact(store, ref, scope).artifact.seq) as ArtifactRow;
    } catch (error) {
      if (!(error instanceof CofferError) || error.code !== "NOT_FOUND") throw error;
    }
  return resolveArtifact(store, ref, "any").artifact;
}

function render({ bytes, artifacts: rows }: { bytes: BytesWhy | null; artifacts: ArtifactWhy[] }): string {
  const head = bytes
    ? fields([
        ["bytes", bytes.digest ?? bytes.path],
        ["path", bytes.digest === null ? undefined : bytes.path],
        ["size", formatBytes(bytes.size)],
        ["state", bytes.state],
        ["kept", bytes.keeps],
        ["goes", bytes.goes ?? undefined],
      ])
    : "";
  return [head, ...rows.map(renderOne)].filter((part) => part !== "").join("\n");
}

function renderOne({ artifact, state, digest, size, keeps, condemned, goes, until, deleted }: ArtifactWhy): string {
  const verdict = deleted
    ? `deleted on ${deleted.at}: ${deleted.message}`
    : condemned === null
      ? until
      : goes
        ? `the next coffer gc --apply takes it: ${condemned.why} (${condemned.rule})`
        : `a rule condemns it: ${condemned.why} (${condemned.rule}); ${goes === null ? "whether gc takes it is unknown: too much was made from it to look at here, and coffer gc tells" : "what keeps it outweighs that"}`;
  return [
    fields([
      ["artifact", artifact],
      ["state", `${state}, ${formatBytes(size)}, ${digest}`],
    ]),
    ...keeps.map(({ because }) => `kept: ${because}\n`),
    keeps.length === 0 && !deleted && condemned === null ? "nothing protects it\n" : "",
    `${verdict}\n`,
  ].join("");
}
