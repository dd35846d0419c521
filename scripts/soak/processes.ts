import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeCaller, words } from "./call.ts";
import type { Called, Where } from "./call.ts";
import { makeContents, POOL_SIZE } from "./contents.ts";
import { differ } from "./difference.ts";
import { numbersFrom } from "./random.ts";

export interface Together {
  seed: number;
  /** How many processes keep things at the same time. */
  processes: number;
  /** How many commands each of them calls, one after the other. */
  commands: number;
}

/** What a command has acknowledged: under this reference are these bytes. */
interface Kept {
  ref: string;
  content: number;
}

interface Listed {
  artifacts: { ref: string; run: string; name: string | null; version: number; state: string; digest: string }[];
}

/** Names to which all of them log. */
const SHARED = ["shared", "model"];

/**
 * Many processes log the same and different bytes under the same and different names, directories, and runs with outputs; each also throws something away
 * whose bytes others keep. One collects garbage in a loop meanwhile, and one reads. Whatever was acknowledged is there at the end, versions are dense, and
 * nobody met a half. Returns what was kept and how often each of the others came around.
 */
export async function keepTogether(where: Where, { seed, processes, commands }: Together): Promise<Record<string, number>> {
  mkdirSync(where.directory, { recursive: true });
  const caller = makeCaller(where);
  const contents = makeContents(join(where.directory, "sources"));
  const kept: Kept[] = [];
  const removed: string[] = [];
  const counts = { collections: 0, readings: 0 };
  let isOver = false;

  const must = async (args: readonly string[], codes: readonly number[] = [0]): Promise<Called> => {
    const called = await caller.call(args);
    if (!codes.includes(called.code ?? -1)) differ(words(called));
    return called;
  };

  async function keep(process: number): Promise<void> {
    const random = numbersFrom(seed + process);
    const upTo = (limit: number): number => Math.floor(random() * limit);
    for (let nth = 0; nth < commands; nth++) {
      const content = random() < 0.6 ? upTo(POOL_SIZE - 1) : POOL_SIZE + process * commands + nth;
      const source = contents.path(content);
      const kind = upTo(4);
      if (kind === 3) {
        const policy = upTo(2) === 0 ? "scratch" : "separated";
        const script = `cp -r "$0" "$COFFER_WORKSPACE/out" && cp -r "$0" "$COFFER_WORKSPACE/model.bin"`;
        const run = ["run", "--json", "--policy", policy, "--register", "model=model.bin", "--", "sh", "-c", script, source];
        const { artifacts } = (await must(run)).json<{ artifacts: { ref: string }[] }>();
        if (artifacts.length !== 2) differ(`a run kept ${artifacts.length} outputs of 2: ${artifacts.map(({ ref }) => ref).join(", ")}`);
        kept.push(...artifacts.map(({ ref }) => ({ ref, content })));
        continue;
      }
      const name = kind === 0 ? "shared" : kind === 1 ? `own-${process}` : `scrap-${process}`;
      const { artifacts } = (await must(["log", source, "--name", name, "--json"])).json<Listed>();
      const { ref } = artifacts[0] as { ref: string };
      if (kind < 2) kept.push({ ref, content });
      else {
        await must(["rm", ref]);
        removed.push(ref);
      }
    }
  }

  async function collect(): Promise<void> {
    while (!isOver) {
      const { applied } = (await must(["gc", "--apply", "--grace", "0", "--json"])).json<{ applied: { failed: unknown[] } }>();
      if (applied.failed.length > 0) differ(`gc failed in part: ${JSON.stringify(applied.failed)}`);
      counts.collections++;
    }
  }

  async function read(): Promise<void> {
    const random = numbersFrom(seed - 1);
    const target = join(where.directory, "got");
    for (let nth = 0; !isOver; nth++) {
      const one = kept[Math.floor(random() * kept.length)];
      if (one) {
        await check(one, target);
        const { path } = (await must(["get", one.ref, "--json"])).json<{ path: string }>();
        refuse(contents.difference(one.content, path));
      }
      const { artifacts } = (await must(["ls", "--limit", "0", "--json"], nth === 0 ? [0, 4] : [0])).json<Listed>();
      if (artifacts?.some(({ digest }) => !/^blake3:[0-9a-f]{64}$/.test(digest))) differ("ls shows an artifact without a digest");
      if (nth % 4 === 3) await verify();
      counts.readings++;
    }
  }

  async function check({ ref, content }: Kept, target: string): Promise<void> {
    await must(["get", ref, "-o", target]);
    refuse(contents.difference(content, target));
    rmSync(target, { recursive: true });
  }

  async function verify(): Promise<void> {
    const called = await must(["verify", "--json"]);
    if (called.json<{ damage: unknown[] }>().damage.length > 0) differ(words(called));
  }

  // made first, so that its readers do not have to wait for a store
  kept.push({ ref: "first@v1", content: 0 });
  await must(["log", contents.path(0), "--name", "first"]);
  const others = [collect(), read()];
  const keepers = Promise.all(Array.from({ length: processes }, (_, process) => keep(process)));
  try {
    // whoever differs ends it at once
    await Promise.race([keepers, ...others.map((other) => other.then(() => keepers))]);
  } finally {
    isOver = true;
    await Promise.allSettled([keepers, ...others]);
  }
  await Promise.all(others);

  await must(["gc", "--apply", "--grace", "0"]);
  await verify();
  const { artifacts } = (await must(["ls", "--limit", "0", "--json"])).json<Listed>();
  const found = new Set(artifacts.map(({ ref }) => ref));
  const expected = new Set(kept.map(({ ref }) => ref));
  const lost = [...expected].filter((ref) => !found.has(ref));
  const strange = [...found].filter((ref) => !expected.has(ref));
  if (lost.length + strange.length > 0) differ(`acknowledged and lost: ${lost.join(", ")}; there without a word: ${strange.join(", ")}`);
  for (const name of [...SHARED, ...Array.from({ length: processes }, (_, process) => `own-${process}`)]) {
    const versions = kept.flatMap(({ ref }) => (ref.startsWith(`${name}@v`) ? [Number(ref.slice(name.length + 2))] : []));
    const dense = versions.toSorted((a, b) => a - b).every((version, nth) => version === nth + 1);
    if (!dense) differ(`versions of ${name}: ${versions.join(", ")}`);
  }
  // of each name some, and every output of a run that has none
  for (const one of kept.filter((_, nth) => nth % 3 === 0)) await check(one, join(where.directory, "got"));
  return { commands: caller.counts.commands, kept: kept.length, removed: removed.length, ...counts };
}

function refuse(words: string | undefined): void {
  if (words !== undefined) differ(words);
}
