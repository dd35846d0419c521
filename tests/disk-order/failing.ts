import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { coffer } from "../support/coffer.ts";
import type { CofferResult } from "../support/coffer.ts";
import type { Fault } from "../support/disk/faults.ts";
import { mountDisk } from "../support/disk/mount-disk.ts";
import type { MountedDisk } from "../support/disk/mount-disk.ts";
import { temporaryRoot } from "../support/temporary-root.ts";
import { prepareSources } from "./sources.ts";

/** A command during which the disk fails. Beside the working directory lie the sources; `out` is where `get -o` writes to. */
export interface Tried {
  args: readonly string[];
  before?: readonly (readonly string[])[];
  /** What it may end with; a command that ends with one of `done` has done all that it was asked. */
  codes: readonly number[];
  done: readonly number[];
}

/** What it writes counts once it has said so: a disk may fail its own writes, too. */
const program = (code: number): string =>
  `cp ../big "$COFFER_WORKSPACE/large.bin" || exit ${code}; echo small >"$COFFER_WORKSPACE/small.txt"; echo ran >"$WITNESS"; exit ${code}`;
const MANY = ["log", "../many", "--name", "many"];

export const TRIED = {
  "log of a file": { args: ["log", "../big", "--name", "big"], codes: [0, 1], done: [0] },
  "log of a pack": { args: MANY, codes: [0, 1], done: [0] },
  "a scratch run": {
    args: ["run", "--policy", "scratch", "--register", "model=large.bin", "--", "sh", "-c", program(0)],
    codes: [0, 125],
    done: [0],
  },
  "a run that fails": {
    args: ["run", "--register", "model=large.bin", "--", "sh", "-c", program(7)],
    codes: [7, 125],
    done: [7],
  },
  "gc --apply": {
    args: ["gc", "--grace", "0", "--apply"],
    before: [["log", "../big", "--name", "big"], MANY, ["log", "../many/3", "--name", "three"], ["rm", "big"], ["rm", "many"]],
    codes: [0, 1, 3, 5],
    done: [0],
  },
  "get -o": { args: ["get", "other", "-o", "../out"], codes: [0, 1], done: [0] },
  "get of a directory": { args: ["get", "many"], before: [MANY], codes: [0, 1], done: [0] },
  verify: { args: ["verify"], before: [MANY], codes: [0, 1], done: [0] },
  alias: { args: ["alias", "other@v1", "best"], codes: [0, 1], done: [0] },
} satisfies Record<string, Tried>;

/** A place where one store after the other meets a fault. */
export interface Place extends AsyncDisposable {
  /** Undefined where the command never asked for what was to fail. */
  meet(tried: Tried, fault: Fault): Promise<Met | undefined>;
}

export interface Met {
  result: CofferResult;
  /** What is not as it must be, now and once the disk does what it should again. */
  wrong: string[];
}

export async function openPlace(): Promise<Place> {
  const root = temporaryRoot();
  prepareSources(root);
  mkdirSync(root.at("cwd"));
  const disk = await mountDisk(root.at("disk"));
  const templates = new Map<Tried, string>();
  let stores = 0;
  const run = (store: string, args: readonly string[]) =>
    coffer(args, { root: store, cwd: root.at("cwd"), env: { WITNESS: root.at("witness") } });
  const fresh = async (tried: Tried): Promise<string> => {
    const store = root.at("disk", `${stores++}`);
    const template = templates.get(tried);
    if (template) cpSync(template, store, { recursive: true, preserveTimestamps: true });
    else {
      for (const args of [["log", "../other", "--name", "other"], ...(tried.before ?? [])]) await run(store, args);
      templates.set(tried, store);
      return fresh(tried);
    }
    for (const name of ["witness", "out"]) rmSync(root.at(name), { force: true });
    return store;
  };
  return {
    async meet(tried, fault) {
      const store = await fresh(tried);
      const { result, met } = await during(disk, fault, () => run(store, tried.args));
      if (!met) return undefined;
      const wrong = [...faultsOf(tried, result), ...(await lost(store, result, root.at("witness"), run)), ...halves(result, root.path)];
      // the disk is well again: whoever comes next goes on
      for (const args of [["runs"], ["verify"], tried.args, ["verify"], ["gc", "--grace", "0", "--apply"]]) {
        rmSync(root.at("out"), { force: true });
        const again = await run(store, args);
        if (!(args === tried.args ? tried.done : [0]).includes(again.code as never))
          wrong.push(`then ${args.join(" ")}: ${again.code} ${again.stderr}`);
      }
      const left = readdirSync(join(store, "tmp"));
      if (left.length > 0) wrong.push(`tmp still holds ${left.join(", ")}`);
      rmSync(store, { recursive: true });
      return { result, wrong };
    },
    async [Symbol.asyncDispose]() {
      await disk[Symbol.asyncDispose]();
      root[Symbol.dispose]();
    },
  };
}

async function during<T>(disk: MountedDisk, fault: Fault, work: () => Promise<T>): Promise<{ result: T; met: boolean }> {
  disk.arm([fault]);
  const result = await work();
  const met = disk.met().length > 0;
  disk.arm([]);
  return { result, met };
}

function faultsOf({ codes, done }: Tried, { code, stderr, stdout }: CofferResult): string[] {
  const wrong: string[] = [];
  if (!codes.includes(code as number)) wrong.push(`it ended with ${code}: ${stderr}`);
  if (stderr.includes("internal error")) wrong.push(stderr);
  // what went wrong, and with which file, or what it is of
  if (!done.includes(code as number) && !/disk|EIO|damaged|fault|not those of/.test(`${stderr}${stdout}`))
    wrong.push(`it does not say why: ${stderr}`);
  return wrong;
}

/** Of a run: its command ran or did not, as the exit code says; and what it wrote is in the workspace or in the store. */
async function lost(
  store: string,
  { code }: CofferResult,
  witness: string,
  run: (store: string, args: readonly string[]) => Promise<CofferResult>,
): Promise<string[]> {
  const runs = join(store, "work/runs");
  if (!existsSync(witness)) return [];
  if (code === 125) return ["the command ran, and its exit code is lost"];
  const [id] = existsSync(runs) ? readdirSync(runs) : [];
  const isThere = id !== undefined && existsSync(join(runs, id, "large.bin"));
  const { stdout } = await run(store, ["ls", "--all", "--json"]);
  return isThere || stdout.includes('"large.bin"') ? [] : ["what the command wrote is neither in its workspace nor in the store"];
}

function halves({ code }: CofferResult, root: string): string[] {
  const out = join(root, "out");
  if (!existsSync(out)) return [];
  if (code !== 0) return ["what could not be written is there"];
  return readFileSync(out).equals(readFileSync(join(root, "other"))) ? [] : ["what was written are other bytes"];
}
