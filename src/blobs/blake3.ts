import { chmodSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";

export interface Hasher {
  update(bytes: Uint8Array): void;
  digest(): Buffer;
}

export interface Blake3 {
  /** native: 5 GiB/s a core; wasm: 0.2. The digests are the same. */
  readonly backend: "native" | "wasm";
  /** Why it is not native. */
  readonly why: string | undefined;
  /** 32 bytes. */
  hash(bytes: Uint8Array): Buffer;
  hasher(): Hasher;
}

let loaded: Promise<Blake3> | undefined;

/** The native add-on, or WebAssembly where it cannot be loaded. */
export function loadBlake3(): Promise<Blake3> {
  return (loaded ??= loadAddon().then(native, (error: unknown) => loadWasm(error instanceof Error ? error.message : String(error))));
}

interface Addon {
  blake3(bytes: Uint8Array): Buffer;
  Blake3Hasher: new () => { update(bytes: Uint8Array): unknown; digestBuffer(): Buffer };
}

function native(module: Addon): Blake3 {
  return {
    backend: "native",
    why: undefined,
    hash: (bytes) => module.blake3(bytes),
    hasher() {
      const hasher = new module.Blake3Hasher();
      return { update: (bytes) => void hasher.update(bytes), digest: () => hasher.digestBuffer() };
    },
  };
}

/**
 * dlopen needs a file of its own. Bun would unpack the add-on to a guessable name in the shared temporary directory, where another
 * user could have put something first; so it is written once to a directory that only we can write, under a name with its hash.
 */
async function loadAddon(): Promise<Addon> {
  const module = { exports: {} as Addon };
  process.dlopen(
    module,
    import.meta.url.includes("/$bunfs/")
      ? unpacked((await import("#blake-addon", { with: { type: "file" } })).default)
      : Bun.fileURLToPath(import.meta.resolve("#blake-addon")),
  );
  return module.exports;
}

function unpacked(addon: string): string {
  const directory = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "coffer", "native");
  const path = join(directory, basename(addon));
  if (isOurs(path, Bun.file(addon).size)) return path;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  const beside = `${path}.${process.pid}`;
  try {
    writeFileSync(beside, readFileSync(addon), { mode: 0o500, flag: "wx" });
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
  return path;
}

/** A power loss may have cut it short: then it is written anew. */
function isOurs(path: string, size: number): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.isFile() && stat.size === size && stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0;
}

/** The fallback itself. `why` the add-on was not taken. */
export async function loadWasm(why: string): Promise<Blake3> {
  const { createBLAKE3 } = await import("hash-wasm");
  const shared = await createBLAKE3();
  // one instance holds one state, and to make another takes a promise: each stream keeps its own state and lends it to the one there is
  return {
    backend: "wasm",
    why,
    hash: (bytes) => Buffer.from(shared.init().update(bytes).digest("binary")),
    hasher() {
      let state = shared.init().save();
      return {
        update(bytes) {
          shared.load(state).update(bytes);
          state = shared.save();
        },
        digest: () => Buffer.from(shared.load(state).digest("binary")),
      };
    },
  };
}
