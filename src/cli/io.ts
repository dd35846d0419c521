import { fstatSync } from "node:fs";
import { createConsola, LogLevels } from "consola/core";
import type { ConsolaInstance } from "consola/core";
import * as leases from "../db/bytes/leases.ts";
import { withoutWaiting } from "../db/wait/patience.ts";
import * as runs from "../db/records/runs.ts";
import type { RunRow } from "../db/records/runs.ts";
import { CofferError, isFull, reason } from "../domain/error.ts";
import type { Settings } from "../config/settings.ts";
import type { Access, Store } from "../store/store.ts";
import type { GlobalValues } from "./command.ts";
import { printableLines } from "./table.ts";
import { writeAll } from "./write-all.ts";

/** What a command may use of the world: its streams, its environment, its clock, its configuration, its store. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** Words for people, on stderr. */
  readonly say: ConsolaInstance;
  /** Milliseconds since 1970. */
  now(): number;
  /** One document on stdout: as JSON with `--json`, else as `render` writes it. */
  print<D extends { schema: `coffer.${string}/${number}` }>(document: D, render: (document: D) => string): void;
  /** Plain data on stdout, as it is. */
  write(text: string): void;
  /** The checked configuration, read at the first call; flags of the command override keys then (`{"workspace.policy": "scratch"}`), and only then. */
  settings(set?: Readonly<Record<string, unknown>>): Promise<Settings>;
  /**
   * Opens the store of the settings. `make: false` refuses (NOT_FOUND) where there is none.
   * Adopts dead runs on the way, unless told not to. `access`: what the command wants of it, by default to write.
   */
  openStore(options?: { make?: boolean; adopt?: boolean; access?: Access }): Promise<Store>;
}

export function makeIo(globals: GlobalValues): Io {
  const env = process.env;
  const cwd = process.cwd();
  let settings: Promise<Settings> | undefined;
  const io: Io = {
    env,
    cwd,
    json: globals.json,
    quiet: globals.quiet,
    verbose: globals.verbose,
    say: makeConsola(globals),
    now: () => Date.now(),
    print(document, render) {
      io.write(globals.json ? `${JSON.stringify(document)}\n` : ended(render(document)));
    },
    write: (text) => writeAll(1, text),
    settings(set) {
      if (settings && set) throw new Error("the settings were read already: what the flags of a command set must come with the first call");
      settings ??= import("../config/settings.ts").then((config) =>
        config.loadSettings({ flags: { root: globals.root, config: globals.config, set: set ?? {} }, env, cwd }),
      );
      return settings;
    },
    async openStore(options = {}) {
      const { openStore } = await import("../store/store.ts");
      const { make = true, adopt = true, access } = options;
      const settings = await io.settings();
      const open = (): Store => openStore(settings, { make, ...(access && { access }), now: io.now, say: (words) => io.say.warn(words) });
      let store: Store;
      try {
        store = open();
      } catch (error) {
        if (access !== "make-room" || !isFull(error)) throw error;
        const { clearDeadStaging } = await import("../store/lease.ts");
        if (!clearDeadStaging(settings.roots.store, io.now())) throw error;
        store = open();
      }
      try {
        if (adopt) await adoptOnTheWay(store, io, access === "read" || access === "hand-out");
      } catch (error) {
        store[Symbol.dispose]();
        throw error;
      }
      return store;
    },
  };
  return io;
}

/** Dead processes leave leases, and interrupted removals: most of the time neither is there, and nothing more is loaded. */
export async function adoptDead(store: Store, io: Io): Promise<void> {
  if (await isLeft(store)) await adoptLeft(store, io);
}

async function adoptLeft(store: Store, io: Io): Promise<void> {
  const { adoptDeadRuns } = await import("../run/adopt/adopt.ts");
  const adopted = await unlessFull(io, () => adoptDeadRuns(store));
  for (const run of adopted) {
    const workspace = run.workspace === null || run.workspace_state === "removed" ? undefined : store.path(run.workspace);
    io.say.warn(
      `adopted run ${run.id}, whose wrapper had died: it is ${run.state}${workspace === undefined ? "" : `, and its workspace stays: ${workspace}`}`,
    );
    if (workspace !== undefined) io.say.info(`to keep some of it: coffer log --run ${run.id} [--name NAME] '${workspace}/PATH'`);
  }
  if (adopted.length === 0) return;
  const { writeManifests } = await import("./write-manifests.ts");
  await writeManifests(store);
}

/** Whoever `get` handed something to holds it for an hour, and a run calls many commands: what the living hold is no reason to load what adopts the dead. */
async function isLeft(store: Store): Promise<boolean> {
  if (store.readOnly) return false;
  if (runs.removing(store.db).length > 0) return true;
  if (!leases.isAny(store.db)) return false;
  const { leaseState } = await import("../store/lease.ts");
  return leases.all(store.db).some((lease) => leaseState(lease, store.now()) === "dead");
}

/** Who only looks does not wait for somebody who writes: what is to be put in order is left to a later command. */
async function adoptOnTheWay(store: Store, io: Io, isLook: boolean): Promise<void> {
  if (!(await isLeft(store))) return;
  if (!isLook) return adoptLeft(store, io);
  using _ = withoutWaiting(store.db);
  try {
    await adoptLeft(store, io);
  } catch (error) {
    if (!(error instanceof CofferError) || error.code !== "STORE_BUSY") throw error;
  }
}

/** Nobody is kept from looking, or from making room, by what a full disk does not take yet. */
async function unlessFull(io: Io, work: () => Promise<RunRow[]>): Promise<RunRow[]> {
  try {
    return await work();
  } catch (error) {
    if (!isFull(error)) throw error;
    io.say.warn(`what dead processes left could not be put in order, and will be with a later command: ${reason(error)}`);
    return [];
  }
}

/** One logger to stderr. The full consola costs 10 ms at start; its core with this reporter costs none. */
function makeConsola(globals: GlobalValues): ConsolaInstance {
  const level = globals.quiet ? LogLevels.error : globals.verbose ? LogLevels.debug : LogLevels.info;
  // asked only when there is something to tint, and of character devices: the question alone costs 6 ms
  const hasColour = (): boolean => !process.env["NO_COLOR"] && fstatSync(2).isCharacterDevice() && process.stderr.isTTY;
  const mark = { error: "\x1b[31m", warn: "\x1b[33m" } as Record<string, string>;
  return createConsola({
    level,
    reporters: [
      {
        log(entry) {
          const words = printableLines(entry.args.map(String).join(" "));
          const lead = entry.type === "error" ? "error: " : entry.type === "warn" ? "warning: " : "";
          const tint = lead !== "" && hasColour() ? mark[entry.type] : undefined;
          writeAll(2, `coffer: ${tint ? `${tint}${lead}\x1b[0m` : lead}${words}\n`);
        },
      },
    ],
  });
}

function ended(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
