import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errno, reason } from "../../domain/error.ts";
import { formatBytes } from "../../domain/quantity.ts";
import { runGit } from "./git.ts";
import type { GitPlace } from "./git.ts";
import type { GitStatus } from "./git-status.ts";
import { holdsSecret, isKeyFile } from "./key-files.ts";
import { writeTar } from "./tar.ts";
import type { TarMember } from "./tar.ts";

/** A tar of what the commit does not say: `changes.patch` for `git apply`, and the untracked files under `untracked/`. */
export interface Capture {
  path: string;
  size: number;
  /** Something did not fit. */
  truncated: boolean;
}

export interface Skipped {
  path: string;
  why: string;
}

export interface CaptureRequest {
  place: GitPlace;
  status: GitStatus;
  /** Relative to the place's directory: our own roots, of which nothing is captured. */
  exclude: readonly string[];
  /** Values that must not be written down. */
  secrets: readonly string[];
  maxBytes: number;
  maxFileBytes: number;
  /** Where the tar goes; nothing may be there yet. */
  to: string;
}

const MAX_FILES = 1000;

/** Captures what differs from the commit, within limits. What stays out is listed, with the reason. */
export async function captureCode(request: CaptureRequest): Promise<{ capture: Capture | null; skipped: Skipped[] }> {
  const bag = new Bag(request);
  const { status } = request;
  const [patch, untracked] = await Promise.all([status.commit === null ? undefined : readPatch(request, bag), listUntracked(request)]);
  if (patch) bag.addPatch(patch);
  // a repository without commits has nothing to differ from: its files are taken as they are
  for (const path of status.commit === null ? [...status.changed, ...untracked] : untracked) bag.addFile(path);
  return { capture: bag.write(request.to), skipped: bag.skipped() };
}

async function readPatch({ place, status, maxBytes }: CaptureRequest, bag: Bag): Promise<{ out: Buffer; cut: boolean } | undefined> {
  const paths = status.changed.filter((path) => bag.mayTake(path));
  if (paths.length === 0) return undefined;
  // named paths spare git a look at all the others
  const words = [
    "--literal-pathspecs",
    "diff",
    "--binary",
    "--no-color",
    "--no-renames",
    "--no-ext-diff",
    "--no-textconv",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "HEAD",
    "--",
  ];
  return runGit(place, [...words, ...paths], maxBytes);
}

/** Status names an untracked directory as a whole; its files are asked for, with what is ignored left out. */
async function listUntracked({ place, status, exclude }: CaptureRequest): Promise<string[]> {
  const directories = status.untracked.filter((path) => path.endsWith("/"));
  const files = status.untracked.filter((path) => !path.endsWith("/"));
  if (directories.length === 0) return files;
  const inside = directories.map((path) => `:(top,literal)${path}`);
  const outside = exclude.map((path) => `:(top,literal,exclude)${path}`);
  const { out } = await runGit(place, ["ls-files", "--others", "--exclude-standard", "-z", "--", ...inside, ...outside]);
  return [...files, ...out.toString().split("\0").filter(Boolean)];
}

class Bag {
  readonly #request: CaptureRequest;
  readonly #members: TarMember[] = [];
  readonly #skipped: Skipped[] = [];
  #beyond = 0;
  #files = 0;
  #left: number;
  #truncated = false;

  constructor(request: CaptureRequest) {
    this.#request = request;
    this.#left = request.maxBytes;
  }

  /** Judged by name and size, before anything is read. */
  mayTake(path: string): boolean {
    if (this.#files++ >= MAX_FILES) {
      this.#beyond++;
      this.#truncated = true;
      return false;
    }
    if (isKeyFile(path)) return this.#skip(path, "it is a key file by its name");
    const stat = lstatSync(join(this.#request.place.directory, path), { throwIfNoEntry: false });
    if (stat?.isFile() && stat.size > this.#request.maxFileBytes) return this.#tooLarge(path, `it is large (${formatBytes(stat.size)})`);
    return true;
  }

  addPatch({ out, cut }: { out: Buffer; cut: boolean }): void {
    const parts = splitPatch(out.toString("latin1"));
    const clean = parts.filter(
      (part) =>
        !holdsSecret(Buffer.from(part, "latin1"), this.#request.secrets) || this.#skip(patchedPath(part), "its change holds a secret"),
    );
    if (clean.length === 0) return;
    if (cut) this.#tooLarge("changes.patch", `only its first ${formatBytes(this.#request.maxBytes)} were kept`);
    const bytes = Buffer.from(clean.join(""), "latin1");
    this.#left -= bytes.length;
    this.#members.push({ path: cut ? "changes.cut.patch" : "changes.patch", kind: "file", bytes, executable: false });
  }

  addFile(path: string): void {
    if (path.endsWith("/")) return void this.#skip(path, "it is a repository of its own");
    if (!this.mayTake(path)) return;
    try {
      this.#read(path, join(this.#request.place.directory, path));
    } catch (error) {
      this.#skip(path, reason(error));
    }
  }

  #read(path: string, absolute: string): void {
    let fd: number;
    try {
      fd = openSync(absolute, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if (errno(error) !== "ELOOP") throw error;
      this.#members.push({ path: `untracked/${path}`, kind: "link", target: readlinkSync(absolute) });
      return;
    }
    try {
      const stat = fstatSync(fd);
      if (!stat.isFile()) return void this.#skip(path, "it is no file");
      if (stat.size > this.#left) return void this.#tooLarge(path, `there was no room left for it (${formatBytes(stat.size)})`);
      const bytes = readFileSync(fd);
      if (holdsSecret(bytes, this.#request.secrets)) return void this.#skip(path, "it holds a secret");
      this.#left -= bytes.length;
      this.#members.push({ path: `untracked/${path}`, kind: "file", bytes, executable: (stat.mode & 0o100) !== 0 });
    } finally {
      closeSync(fd);
    }
  }

  write(to: string): Capture | null {
    if (this.#members.length === 0) return null;
    const tar = writeTar(this.#members);
    writeFileSync(to, tar, { flag: "wx" });
    return { path: to, size: tar.length, truncated: this.#truncated };
  }

  skipped(): Skipped[] {
    return this.#beyond === 0
      ? this.#skipped
      : [...this.#skipped, { path: `${this.#beyond} more files`, why: `at most ${MAX_FILES} are captured` }];
  }

  #tooLarge(path: string, why: string): false {
    this.#truncated = true;
    return this.#skip(path, why);
  }

  #skip(path: string, why: string): false {
    this.#skipped.push({ path, why });
    return false;
  }
}

function splitPatch(patch: string): string[] {
  return patch.split(/^(?=diff --git )/m);
}

function patchedPath(part: string): string {
  return /^\+\+\+ b\/(.*)$/m.exec(part)?.[1] ?? /^diff --git a\/(.*) b\//.exec(part)?.[1] ?? "changes.patch";
}
