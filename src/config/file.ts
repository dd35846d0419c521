import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, isAbsolute, join } from "node:path";
import { CofferError, errno, reason } from "../domain/error.ts";
import type { Env } from "./interpolate.ts";

/** A problem with its place; line and column count from 1. */
export interface ConfigProblem {
  file: string;
  line: number;
  column: number;
  message: string;
  hint: string;
}

export interface ConfigFile {
  path: string;
  values: Map<string, unknown>;
  problems: ConfigProblem[];
}

/** Its parser takes a gigabyte, and seconds, for a megabyte of brackets. */
const MAX_BYTES = 256 * 1024;
/** Of somebody else's pipeline.yaml, to see whether it names our section. */
const MAX_FOREIGN = 64 * 1024 * 1024;

/**
 * The project's file: `coffer.yaml`, or a `pipeline.yaml` with an `artifact_store:` section, in `cwd` or the nearest directory above it.
 * @throws CofferError CONFIG_INVALID for one that a stranger left there (`/tmp/coffer.yaml`)
 */
export async function findProjectFile(cwd: string): Promise<string | undefined> {
  for (let directory = cwd; ; directory = dirname(directory)) {
    const own = join(directory, "coffer.yaml");
    if (isFile(own)) return ofNoStranger(own);
    const pipeline = join(directory, "pipeline.yaml");
    if (isFile(pipeline) && (await hasStoreSection(pipeline))) return ofNoStranger(pipeline);
    if (directory === dirname(directory)) return undefined;
  }
}

/** Where everybody may make files, one that is somebody else's would say which server gets our credentials, and where our runs are kept. */
function ofNoStranger(path: string): string {
  const { uid, mode } = statSync(path);
  const isOpen = ((statSync(dirname(path)).mode | mode) & 0o002) !== 0;
  if (!isOpen || uid === 0 || uid === process.getuid?.()) return path;
  throw new CofferError("CONFIG_INVALID", `${path} is another user's (uid ${uid}), in a place where everybody may write`, {
    hint: "remove it, or work in a directory of your own; if you trust it, name it with --config",
  });
}

/** The user's file, where there is one: `$XDG_CONFIG_HOME/coffer/config.yaml`. */
export function findUserFile(env: Env): string | undefined {
  const xdg = env["XDG_CONFIG_HOME"];
  const base = xdg && isAbsolute(xdg) ? xdg : join(homeOf(env), ".config");
  const path = join(base, "coffer", "config.yaml");
  // a container's user often has the home of another, which is closed to it
  return mayEnter(base) && isFile(path) ? path : undefined;
}

/**
 * Reads and checks a configuration file; what is wrong with its content is in `problems`, all of it.
 * @throws CofferError CONFIG_INVALID for a file that is not there or cannot be read
 */
export async function readConfigFile(path: string, env: Env): Promise<ConfigFile> {
  const text = readText(path);
  const pipeline = isPipeline(path);
  const [{ parseConfig }, { readLayer }] = await Promise.all([import("./parse.ts"), import("./layer.ts")]);
  const parsed = parseConfig(text);
  if (parsed.faults.length > 0) return { path, values: new Map(), problems: parsed.faults.map((fault) => ({ file: path, ...fault })) };
  const layer = readLayer(parsed.tree, { env, foreign: pipeline });
  const problems = layer.problems.map(({ path: keys, at, message, hint }) => ({ file: path, ...parsed.place(keys, at), message, hint }));
  if (pipeline && !hasOwnSection(parsed.tree))
    problems.push({
      file: path,
      line: 1,
      column: 1,
      message: "this pipeline.yaml has no artifact_store: section",
      hint: "add one, or name a coffer.yaml",
    });
  return { path, values: layer.values, problems: problems.sort((a, b) => a.line - b.line || a.column - b.column) };
}

/** The user's directory; without HOME (cron, some containers) the system knows it. */
export function homeOf(env: Env): string {
  return env["HOME"] || homedir();
}

/** Says the first problem in full, and how many more there are; carries all of them. */
export class ConfigError extends CofferError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly [ConfigProblem, ...ConfigProblem[]]) {
    const [first, ...others] = problems;
    const more = others.length === 0 ? "" : ` (and ${others.length} more: coffer config validate lists them)`;
    super("CONFIG_INVALID", `${first.file}:${first.line}:${first.column}: ${first.message}${more}`, { hint: first.hint });
    this.problems = problems;
  }
}

function mayEnter(directory: string): boolean {
  try {
    accessSync(directory, constants.X_OK);
    return true;
  } catch (error) {
    return errno(error) !== "EACCES";
  }
}

/** @throws CofferError CONFIG_INVALID where that cannot be told: settings that somebody wrote down are not left out in silence */
function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch (error) {
    // HOME=/dev/null
    if (errno(error) === "ENOTDIR") return false;
    throw new CofferError("CONFIG_INVALID", `whether there is a configuration file ${path} cannot be told: ${reason(error)}`, {
      hint: "make its directory readable, or set HOME or XDG_CONFIG_HOME to one that is",
      cause: error,
    });
  }
}

function isPipeline(path: string): boolean {
  return /^pipeline\.ya?ml$/.test(basename(path));
}

/** Whether it is ours can mostly be told without parsing it; what does not even name the section may be as large or as odd as its owner likes. */
async function hasStoreSection(path: string): Promise<boolean> {
  if (!readBytes(path, MAX_FOREIGN).includes("artifact_store")) return false;
  const text = readText(path);
  if (/^artifact_store[ \t]*:/m.test(text)) return true;
  const { parseConfig } = await import("./parse.ts");
  return hasOwnSection(parseConfig(text).tree);
}

function hasOwnSection(tree: unknown): boolean {
  return tree !== null && typeof tree === "object" && Object.hasOwn(tree, "artifact_store");
}

/** Its first bytes, `most` at most: a name may stand for something without an end, and --config takes what another command writes. */
function readBytes(path: string, most: number): Buffer {
  try {
    const fd = openSync(path, "r");
    try {
      const chunks: Buffer[] = [];
      for (let left = most; left > 0;) {
        const chunk = Buffer.allocUnsafe(Math.min(left, 64 * 1024));
        const read = readSync(fd, chunk, 0, chunk.length, null);
        if (read === 0) break;
        chunks.push(chunk.subarray(0, read));
        left -= read;
      }
      return Buffer.concat(chunks);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (errno(error) === "ENOENT")
      throw new CofferError("CONFIG_INVALID", `there is no configuration file ${path}`, {
        hint: "check the name, or leave --config out; coffer init writes one",
      });
    throw new CofferError("CONFIG_INVALID", `the configuration file ${path} cannot be read: ${reason(error)}`, {
      hint: "make it readable, or name another with --config",
      cause: error,
    });
  }
}

function readText(path: string): string {
  const bytes = readBytes(path, MAX_BYTES + 1);
  if (bytes.length > MAX_BYTES)
    throw new CofferError("CONFIG_INVALID", `${path} is too large for a configuration file`, { hint: "name another with --config" });
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new CofferError("CONFIG_INVALID", `${path} is not UTF-8 text`, { hint: "write it again as UTF-8", cause: error });
  }
}
