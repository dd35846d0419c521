import type { RunRow } from "../db/records/runs.ts";
import { ARTIFACT_TYPES } from "../domain/artifact-type.ts";
import { parseAssignment, parseMetric } from "../domain/assignment.ts";
import { CofferError, errno, EXIT, reason } from "../domain/error.ts";
import { linesOf } from "../domain/lines.ts";
import { checkArtifactName, checkName } from "../domain/names.ts";
import { matcher } from "../domain/pattern.ts";
import { formatBytes } from "../domain/quantity.ts";
import { knownSecrets } from "../domain/redact.ts";
import { unlessReplaced } from "../domain/replaced-database.ts";
import { log } from "../registry/log.ts";
import type { Logged, LogRequest } from "../registry/log.ts";
import type { LoggedPath } from "../registry/logged-path.ts";
import { stageFile } from "../registry/stage-files.ts";
import { describeArtifact, summarizeArtifact } from "../registry/describe.ts";
import { requireMetaModel } from "../registry/meta-model.ts";
import type { Store } from "../store/store.ts";
import type { Problem } from "../store/ingest/walk.ts";
import { command } from "./command.ts";
import type { Io } from "./io.ts";
import { readLogLines } from "./log/lines.ts";
import { resolveOrigins } from "./log/origins.ts";
import { readStageWords, STAGE_FLAGS, stageCall, stagePaths } from "./log/stage.ts";
import { findTarget } from "./log/target.ts";
import { writeManifests } from "./write-manifests.ts";
import { skipsArtifacts } from "../mlflow/http/environment.ts";

export default command(
  {
    positionals: [{ name: "PATH", description: "files and directories to keep", variadic: true }],
    flags: {
      run: {
        type: "string",
        valueHint: "RUN",
        description: "log to this run (else the current one, else the one of MLFLOW_RUN_ID, else one of its own)",
      },
      as: { type: "string", valueHint: "PATH", description: "its path within the run; the base name unless said" },
      name: { type: "string", valueHint: "NAME", description: "a name with versions" },
      type: { type: "string", valueHint: "TYPE", options: ARTIFACT_TYPES, description: ARTIFACT_TYPES.join(", ") },
      class: { type: "string", valueHint: "NAME", description: "its class, such as Ridge" },
      dataset: { type: "string", valueHint: "NAME", description: "the dataset that it belongs to" },
      step: {
        type: "string",
        valueHint: "ID",
        description: "an execution-path id, pipeline:[branch:…]step[.sub]:fold; a dot is where the run stands",
      },
      "depends-on": {
        type: "string",
        valueHint: "[ROLE=]REF",
        multiple: true,
        description: "what it was made from (role: input unless said)",
      },
      source: {
        type: "string",
        valueHint: "REF",
        multiple: true,
        description: "of a meta_model: a model whose predictions it is fed; in order",
      },
      "feature-columns": {
        type: "string",
        valueHint: "A,B",
        description: "of a meta_model: a column for each source; <Class>_pred unless said",
      },
      description: { type: "string", valueHint: "TEXT", description: "what it is" },
      format: { type: "string", valueHint: "NAME", description: "how it is written, such as joblib" },
      "format-version": { type: "string", valueHint: "TEXT", description: "of which version, such as sklearn==1.9.1" },
      "artifact-tag": { type: "string", valueHint: "KEY=VALUE", multiple: true, description: "a tag of the artifact" },
      ...STAGE_FLAGS,
      metric: { type: "string", valueHint: "KEY=NUMBER[@STEP]", multiple: true, description: "a point of a metric of the run" },
      param: { type: "string", valueHint: "KEY=VALUE", multiple: true, description: "a parameter of the run" },
      tag: { type: "string", valueHint: "KEY=VALUE", multiple: true, description: "a tag of the run" },
      ignore: { type: "string", valueHint: "PATTERN", multiple: true, description: "leave out of directories" },
      stdin: { type: "boolean", description: "read JSON Lines from standard input" },
    },
    about:
      'With --stdin each line is one of {"metric": KEY, "value": N, "step": N, "time": MS}, {"param": KEY, "value": V}, {"tag": KEY, "value": V}, {"artifact": PATH, "as": PATH, "name": NAME, "type": TYPE}; one process serves a whole training loop. A line that cannot be read is named and left out, the others stand.',
    examples: [
      ["coffer log model.onnx --name churn-model --type model", "a new version of a name"],
      ["coffer log --metric loss=0.31@12 --param lr=0.1", "inside a run: to that run"],
      ["coffer log data/ --depends-on raw-data@v2", "a directory, and what it was made from"],
      ["coffer log --stage training --checkpoint epoch-3/ --metrics-file metrics.json", "what a training uploads (docs/stages.md)"],
      ["coffer log stack.bin --type meta_model --source ridge --source forest", "a model on top of others"],
    ],
    exits: { "3": "with --stdin: some lines could not be taken", "4": "the run or a dependency does not exist" },
  },
  async ({ flags, positionals, io }) => {
    const words = readStageWords(flags);
    const named = positionals.length + (words?.checkpoint === undefined ? 0 : 1) + (words?.metricsFile === undefined ? 0 : 1);
    if (named === 0 && !flags.stdin && flags.metric.length + flags.param.length + flags.tag.length === 0)
      throw new CofferError("USAGE", "there is nothing to log", { hint: "name files, --metric, --param or --tag, or --stdin" });
    if (flags.as !== undefined && named !== 1)
      throw new CofferError("USAGE", "--as goes with exactly one PATH", { hint: "log the others by themselves" });
    for (const flag of ["name", "step"] as const)
      if (flags[flag] !== undefined && named > 1)
        throw new CofferError("USAGE", `--${flag} goes with one PATH: ${named} files would be versions of one another`, {
          hint: "log them one by one, or log the directory that holds them",
        });
    const now = io.now();
    const metrics = flags.metric.map((text) => ({ ...parseMetric(text), time: now }));
    const params = flags.param.map((text) => parseAssignment("param", text));
    const tags = flags.tag.map((text) => parseAssignment("tag", text));
    const featureColumns = flags["feature-columns"]?.split(",").map((column) => column.trim());
    if (!flags.stdin) requireMetaModel(flags.type, flags.source.length, featureColumns);
    const particulars = {
      name: flags.name === undefined ? undefined : checkArtifactName(flags.name),
      type: flags.type,
      class: flags.class === undefined ? undefined : checkName("class", flags.class),
      dataset: datasetOf(flags.dataset, io.env),
      description: flags.description,
      format: flags.format,
      formatVersion: flags["format-version"],
      tags: flags["artifact-tag"].map((text) => parseAssignment("artifact-tag", text)),
      featureColumns,
    };
    const { workspace, tracking } = (await io.settings()).values;
    const ignored = matcher([...workspace.ignore, ...flags.ignore]);
    const call = words && stageCall(words, { tracking, type: flags.type, ignored });

    const begun = await unlessReplaced(async () => {
      const store = await io.openStore();
      try {
        const target = await findTarget(store, io, flags.run, flags.step);
        const origins = resolveOrigins(store, flags["depends-on"], flags.source);
        const given = { positionals, as: flags.as };
        const { paths, skipped } = call
          ? await stagePaths(store, call, words, given)
          : { paths: positionals.map((source): LoggedPath => ({ source, as: flags.as })), skipped: [] };
        const request: LogRequest = {
          run: target.run,
          newRun: { dataset: particulars.dataset ?? null, ...target.newRun },
          paths: paths.map((path) => heldBackBy(path, io.env)),
          skipped,
          particulars: { ...particulars, step: target.step, ...origins },
          secrets: knownSecrets(io.env),
          metrics,
          params,
          tags,
          ignored,
          remoteRun: target.remoteRun,
        };
        const logged = flags.stdin && named + metrics.length + params.length + tags.length === 0 ? undefined : await log(store, request);
        return { store, target, request, logged };
      } catch (error) {
        store[Symbol.dispose]();
        throw error;
      }
    });
    using store = begun.store;
    const { target, request, logged } = begun;
    if (logged) tell(io, logged);

    let refused = 0;
    let taken = 0;
    let run = logged?.run ?? target.run;
    if (flags.stdin) {
      ({ refused, taken, run } = await readLogLines(
        store,
        linesOf(standardInput()),
        { ...request, run, skipped: [] },
        {
          now: io.now,
          refuse: (line, why) => io.say.error(`line ${line}: ${why}`),
          pathOf: (source, as) => heldBackBy(call ? stageFile(call, source, as) : { source, as }, io.env),
          logged: (one) => tell(io, one),
        },
      ));
    }
    await writeManifests(store);
    report(store, io, { run, stage: words?.stage, logged, lines: { taken, refused } });
    return refused > 0 ? EXIT.partly : EXIT.done;
  },
);

/** MLFLOW_SKIP_ARTIFACT_LOGGING keeps every file here. */
function heldBackBy<P extends LoggedPath | Problem>(path: P, env: Io["env"]): P {
  if ("why" in path || !skipsArtifacts(env)) return path;
  return { ...path, heldBack: "MLFLOW_SKIP_ARTIFACT_LOGGING is set" };
}

/** What became of things otherwise than one might think. */
function tell({ say }: Io, { problems, heldBack, notes }: Logged): void {
  for (const { path, why } of problems) say.warn(`left out ${path}: ${why}`);
  for (const { path, why } of heldBack) say.info(`${path} stays in the store: ${why}`);
  for (const note of notes) say.warn(note);
}

/** @throws CofferError UNREADABLE, also of a terminal that hung up: what it says (EIO) is no word of a disk's */
async function* standardInput(): AsyncGenerator<Uint8Array> {
  try {
    yield* process.stdin;
  } catch (error) {
    if (errno(error) === undefined) throw error;
    throw new CofferError("UNREADABLE", `standard input cannot be read: ${reason(error)}`, {
      hint: "the lines before it stand; log the others again",
      cause: error,
    });
  }
}

/** An empty variable is none; an empty flag is a mistake. */
function datasetOf(flag: string | undefined, env: Io["env"]): string | undefined {
  const name = flag ?? (env["COFFER_DATASET"] || undefined);
  return name === undefined ? undefined : checkName("dataset", name);
}

interface Report {
  run: RunRow | undefined;
  stage: string | undefined;
  logged: Logged | undefined;
  lines: { taken: number; refused: number };
}

function report(store: Store, io: Io, { run, stage, logged, lines }: Report): void {
  const { taken, refused } = lines;
  const rows = logged?.artifacts ?? [];
  io.print(
    {
      schema: "coffer.log/1",
      run: run?.id ?? null,
      artifacts: rows.map((row) => describeArtifact(store, row)),
      added: logged?.added ?? { blobs: 0, bytes: 0 },
      stage: stage ?? null,
      skipped: logged?.problems.map(({ path, why }) => ({ path, why })) ?? [],
      held_back: logged?.heldBack ?? [],
      notes: logged?.notes ?? [],
      lines,
    },
    (document) =>
      // a loop that logs its loss would print the id of its own run each time
      rows.length === 0
        ? run?.id === io.env["COFFER_RUN_ID"]
          ? ""
          : (document.run ?? "")
        : rows.map((row) => `${summarizeArtifact(store, row).ref}\n`).join(""),
  );
  if (logged && run && rows.length > 0) {
    const size = rows.reduce((sum, row) => sum + row.size, 0);
    io.say.info(
      `kept ${rows.length === 1 ? rows[0]?.path : `${rows.length} artifacts`} (${formatBytes(size)}, the store grew by ${formatBytes(logged.added.bytes)}) on run ${run.id}`,
    );
  }
  if (taken + refused > 0) io.say.info(`${taken} lines taken${refused > 0 ? `, ${refused} refused` : ""}${run ? ` on run ${run.id}` : ""}`);
}
