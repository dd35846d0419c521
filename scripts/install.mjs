import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROJECT = fileURLToPath(new URL("..", import.meta.url));

/**
 * Makes node_modules what package-lock.json says, where it is not that already, and returns the path of Bun.
 * Runs before anything is installed: Node's built-ins only.
 */
export function install() {
  if (!isInstalled()) {
    say("npm ci");
    const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: PROJECT, stdio: ["ignore", process.stderr, process.stderr] });
    if (npm.error) stop(`npm could not be started: ${npm.error.message}`);
    if (npm.status !== 0) stop("npm ci failed; its words are above");
  }
  const bun = join(PROJECT, "node_modules/.bin/bun");
  if (!works(bun)) {
    // bun's own install script puts its binary in place; npm may have been told to run none (ignore-scripts, or no approval)
    say("node node_modules/bun/install.js");
    spawnSync(process.execPath, ["install.js"], {
      cwd: join(PROJECT, "node_modules/bun"),
      stdio: ["ignore", process.stderr, process.stderr],
    });
    if (!works(bun)) stop("Bun does not start; remove node_modules and run npm ci to see why");
  }
  return bun;
}

/** Runs a program with our terminal and passes signals on; resolves with its exit code, or 128 + the signal's number as a shell would say. */
export function pass(program, args) {
  const child = spawn(program, args, { cwd: PROJECT, stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.on("error", (error) => stop(`${program}: ${error.message}`));
    child.on("exit", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}

/** npm keeps a second lock of what it really installed; packages for other platforms are missing from it. */
function isInstalled() {
  const wanted = readLock("package-lock.json");
  const found = readLock("node_modules/.package-lock.json");
  if (!wanted || !found) return false;
  for (const [path, { version }] of Object.entries(found)) if (wanted[path]?.version !== version) return false;
  return Object.entries(wanted).every(([path, entry]) => path === "" || entry.optional || path in found);
}

function readLock(path) {
  try {
    return JSON.parse(readFileSync(join(PROJECT, path), "utf8")).packages;
  } catch {
    return undefined;
  }
}

function works(bun) {
  return spawnSync(bun, ["--version"], { stdio: "ignore" }).status === 0;
}

function say(commandLine) {
  process.stderr.write(`$ ${commandLine}\n`);
}

function stop(words) {
  process.stderr.write(`${words}\n`);
  process.exit(1);
}
