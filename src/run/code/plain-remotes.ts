import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { errno } from "../../domain/error.ts";
import type { GitPlace } from "./git.ts";

/**
 * The remotes of a repository and their first URLs, read from its configuration, where that is as git writes it; a process of git's costs a run 2 ms, beside the
 * one that looks at the files. undefined where only git can tell: another file may name remotes too, or a line is of another form. Where the system's configuration lies is built into a
 * git, so that holds of any but the one of a Linux distribution (Homebrew's, conda's, Xcode's), and of one without a home.
 */
export function plainRemotes({ directory, env }: Pick<GitPlace, "directory" | "env">): Map<string, string> | undefined {
  if (Object.keys(env).some((name) => name.startsWith("GIT_"))) return undefined;
  const home = env["HOME"];
  if (!home || !isOfSystem(Bun.which("git", { PATH: env["PATH"] ?? "" }))) return undefined;
  const others = ["/etc/gitconfig", join(env["XDG_CONFIG_HOME"] || join(home, ".config"), "git/config"), join(home, ".gitconfig")];
  if (others.some((path) => !isWithout(textOf(path), /remote|include/i))) return undefined;
  // of a worktree the configuration lies elsewhere
  if (textOf(join(directory, ".git/commondir")) !== "") return undefined;
  const own = textOf(join(directory, ".git/config"));
  // none at all: what lies there is no ordinary repository
  return own && isWithout(own, /include|worktreeconfig|\\$/im) && PLAIN.test(own) ? remotesIn(own) : undefined;
}

function isOfSystem(git: string | null): boolean {
  return process.platform === "linux" && (git === "/usr/bin/git" || git === "/bin/git");
}

function remotesIn(text: string): Map<string, string> | undefined {
  const remotes = new Map<string, string>();
  let remote: string | undefined;
  for (const line of text.split("\n").map((raw) => raw.trim())) {
    if (line.startsWith("[")) {
      remote = REMOTE.exec(line)?.[1];
      if (remote === undefined && !OTHER.test(line)) return undefined;
    } else if (remote !== undefined && /^url/i.test(line)) {
      const url = URL_LINE.exec(line)?.[1];
      if (url === undefined) return undefined;
      if (!remotes.has(remote)) remotes.set(remote, url);
    }
  }
  return remotes;
}

/** What is a blank, and what ends a line or a value, is not the same to git and to JavaScript beyond these. */
const PLAIN = /^(?:[\t\n\x20-\x7e]|\r\n)*$/;

const REMOTE = /^\[remote "([^"\\\]]+)"\]$/i;
/** A section that is no remote, with nothing behind it. */
const OTHER = /^\[(?!remote)[^"\\\]]+(?:"[^"\\\]]*")?\]$/i;
/** Without quotes, comments and tabs. */
const URL_LINE = /^url *= *([^"\\#;\t]+)$/i;

const MAX_BYTES = 64 << 10;

/** "" where there is no such file; undefined where it cannot be read, or is longer than a person's. */
function textOf(path: string): string | undefined {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      return stat.isFile() && stat.size <= MAX_BYTES ? readFileSync(fd, "utf8") : undefined;
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return errno(error) === "ENOENT" ? "" : undefined;
  }
}

function isWithout(text: string | undefined, words: RegExp): boolean {
  return text !== undefined && !words.test(text);
}
