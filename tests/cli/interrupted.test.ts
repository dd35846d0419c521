import { expect, test } from "bun:test";
import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { numbersFrom } from "../../scripts/soak/random.ts";
import { spawnCoffer } from "../support/coffer.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";

/** Printed where a round fails; set it to play the same rounds again. */
const SEED = Number(process.env["COFFER_TEST_SEED"] ?? Math.floor(Math.random() * 1e9));
const ROUNDS = 4;

/** What is interrupted, of a store that has files, a directory and an export of itself. */
interface Interrupted {
  args: string[];
  before?: (here: Place) => Promise<unknown> | void;
  /** Of what was there, what is there after it. */
  spares?: (id: string) => boolean;
  /** Whether it did all of it, so that it need not be called again. */
  isDone?: (here: Place) => boolean;
}

const COMMANDS: Record<string, Interrupted> = {
  gc: {
    args: ["gc", "--failed-runs", "--max-age", "0", "--grace", "0", "--apply"],
    before: (here) => here.coffer(["rm", "extra"]),
    spares: (id) => id.endsWith("/tree"),
  },
  verify: { args: ["verify"] },
  repair: { args: ["verify", "--repair"], before: loseFiles },
  rebuild: { args: ["rebuild", "--force"] },
  get: { args: ["get", "tree", "-o", "out"], isDone: (here) => existsSync(here.at("out")) },
  backup: { args: ["backup", "copy", "--with-bytes"], isDone: (here) => existsSync(here.at("copy")) },
  import: { args: ["manifest", "import", "export", "--copy"], before: (here) => rmSync(here.root, { recursive: true }) },
};

function loseFiles(here: Place): void {
  for (const name of here.binaries().filter((name, nth) => nth % 2 === 0 && !name.endsWith(".txt")))
    rmSync(join(here.root, "binaries", name));
}

async function fill(here: Place): Promise<void> {
  const script = `cd $W && mkdir tree && for i in $(seq 150); do echo $i >tree/$i; done
    for i in $(seq 20); do head -c 140000 /dev/urandom >tree/large-$i; echo $i >single-$i.bin; done`;
  await here.run(script, ["--register", "tree=tree"]);
  here.write("extra.txt", "more");
  await here.coffer(["log", "extra.txt", "--name", "extra"]);
  await here.coffer(["manifest", "export", ...(await here.runs()).map(({ id }) => id), "-o", "export", "--with-bytes"]);
}

test.each(Object.keys(COMMANDS))(
  "%s that is interrupted at any moment leaves nothing half done, and is finished by the next one",
  async (name) => {
    const { args, before, spares = () => true, isDone = () => false } = COMMANDS[name] as Interrupted;
    const random = numbersFrom(SEED + name.length);
    using template = place();
    await fill(template);
    let took = 0;
    let asked = 0;
    for (let round = 0; round <= ROUNDS; round++) {
      using here = place();
      cpSync(template.path, here.path, { recursive: true, preserveTimestamps: true });
      await before?.(here);
      const there = await (name === "import" ? template : here).digests();
      const expected = Object.fromEntries(Object.entries(there).filter(([id]) => spares(id)));
      const signal = round % 2 === 0 ? "SIGTERM" : "SIGINT";
      const began = performance.now();
      const child = spawnCoffer(args, { cwd: here.path, env: { COFFER_ROOT: here.root } });
      // the first round is let alone, and tells how long there is
      const timer = round === 0 ? undefined : setTimeout(() => child.kill(signal), 30 + random() * (took - 30));
      const [said] = await Promise.all([child.stderr.text(), child.stdout.text(), child.exited]);
      clearTimeout(timer);
      if (round === 0) took = performance.now() - began;
      const at = `${name}, round ${round} of seed ${SEED}: ${said}`;
      const wasAsked = child.exitCode === (signal === "SIGINT" ? 130 : 143);
      if (wasAsked) asked++;
      // before it can be asked, and where it has nothing to say, the signal ends it as any other program; what is done is done
      if (!wasAsked && child.signalCode !== signal) expect([at, child.exitCode]).toEqual([at, 0]);
      if (wasAsked) expect([at, said]).toEqual([at, expect.stringContaining("interrupted")]);
      expect([at, readdirSync(here.path).filter((one) => one.startsWith(".coffer-"))]).toEqual([at, []]);
      if (!isDone(here)) expect([at, (await here.coffer(args)).code]).toEqual([at, 0]);
      expect([at, (await here.coffer(["verify"])).code, here.leftovers()]).toEqual([at, 0, []]);
      expect([at, await here.digests()]).toEqual([at, expected]);
    }
    if (asked === 0) console.error(`${name}: each of ${ROUNDS} signals came before it could be asked, or when it was done`);
  },
  60_000,
);
