import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { beside, besideAgain } from "../../scripts/bench/beside.ts";
import { makeFreshDirectory, retireDirectory } from "../../scripts/bench/fresh-directory.ts";
import { countFlushes } from "../../scripts/bench/flushes.ts";
import { exponent, measureGrowth } from "../../scripts/bench/growth.ts";
import { measure, median } from "../../scripts/bench/measure.ts";
import { renderPage } from "../../scripts/bench/page.ts";
import type { Place, Subject } from "../../scripts/bench/subject.ts";
import { GOALS, makeRow, peerRows, PEERS, renderTable } from "../../scripts/bench/table.ts";
import type { Table } from "../../scripts/bench/table.ts";
import type { Peers } from "../../scripts/peers/install.ts";
import type { Peer } from "../../scripts/peers/peer.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const subject: Subject = {
  name: "example",
  what: "an example",
  reference: "another",
  goal: { times: 2 },
  rounds: 3,
  prepare: () => Promise.reject(new Error("not needed")),
};

test.each([
  [[3, 1, 2], 2],
  [[4, 1, 3, 2], 2.5],
  [[7], 7],
])("the median of %p is %p", (values, expected) => {
  expect(median(values)).toBe(expected);
});

test("a row compares medians, and misses its goal by time or by memory", () => {
  const reference = { milliseconds: [10, 11, 12], peakBytes: 1e6 };
  const row = (changes: Partial<Subject>, milliseconds: number[], peakBytes = 50e6) => {
    const { cells, met } = makeRow({ ...subject, ...changes }, { coffer: { milliseconds, peakBytes }, reference });
    return { result: cells[2], goal: cells[3], verdict: cells[4], met };
  };
  expect(row({}, [20, 22, 900])).toEqual({ result: "**2.00 ×**", goal: "2 ×", verdict: "met", met: true });
  expect(row({}, [20, 23, 24])).toMatchObject({ result: "**2.09 ×**", verdict: "MISSED", met: false });
  expect(row({}, [1, 1, 1], 121e6)).toMatchObject({ verdict: "MISSED: memory, 120 MB", met: false });
  expect(row({ goal: { more: 5 } }, [16])).toMatchObject({ result: "**+5.0 ms**", goal: "+5 ms", met: true });
  expect(row({ goal: { most: 2000 }, memory: 200e6 }, [2100], 160e6)).toMatchObject({ result: "**2.1 s**", goal: "2 s", met: false });
  expect(row({ goal: { most: 30 }, memory: 200e6 }, [29.96], 160e6)).toMatchObject({ result: "**30 ms**", goal: "30 ms", met: true });
  const made = makeRow(subject, { coffer: { milliseconds: [20, 22, 900], peakBytes: 50e6 }, reference });
  expect(renderTable(GOALS, [made])).toBe(
    [
      "| | coffer | reference | result | goal | | peak memory |",
      "|---|---|---|---|---|---|---|",
      "| an example | 22.0 ms [20.0–900.0] | 11.0 ms [10.0–12.0] (another) | **2.00 ×** | 2 × | met | 50 MB |",
    ].join("\n"),
  );
});

test("who was measured beside coffer has a row of its own, held against coffer and against the reference", () => {
  const sample = (milliseconds: number) => ({ milliseconds: [milliseconds], peakBytes: 170e6 });
  expect(peerRows(subject, { reference: sample(100), coffer: sample(50), "restic 1": sample(275) })).toEqual([
    { what: "an example", cells: ["restic 1", "275 ms [275–275]", "2.8 ×", "5.5 ×", "170 MB"] },
  ]);
});

test("a page keeps the rows that were not made anew, in the table that they stand in", () => {
  const other = { ...subject, name: "other", what: "another example" };
  const subjects = [subject, other];
  const row = (what: string, first: string, table: Table) => ({ what, cells: [first, ...table.head.slice(2).map(() => "-")] });
  const first = renderPage(
    subjects,
    "",
    new Map([
      [GOALS, [row(subject.what, "1 ms", GOALS), row(other.what, "2 ms", GOALS)]],
      [PEERS, [row(subject.what, "restic 1", PEERS), row(subject.what, "borg 1", PEERS), row(other.what, "borg 1", PEERS)]],
    ]),
  );
  const second = renderPage(subjects, first, new Map([[PEERS, [row(subject.what, "restic 2", PEERS)]]]));
  expect(second.split("\n").filter((line) => /^\| an(other)? example/.test(line))).toEqual([
    "| an example (`example`) | 1 ms | - | - | - | - | - |",
    "| another example (`other`) | 2 ms | - | - | - | - | - |",
    "| an example (`example`) | restic 2 | - | - | - | - |",
    "| another example (`other`) | borg 1 | - | - | - | - |",
  ]);
  const tables = (page: string): string => page.slice(page.indexOf("\n## "));
  expect(tables(renderPage(subjects, second, new Map()))).toBe(tables(second));
  expect(renderPage([other], second, new Map())).not.toContain("| an example ");
});

test("a table without rows is no head alone", () => {
  const page = renderPage([subject], "", new Map([[GOALS, [{ what: subject.what, cells: GOALS.head.slice(1).map(() => "-") }]]]));
  expect(page.split("\n").filter((line) => line === "Not measured yet.")).toHaveLength(3);
  expect(page).toContain("| peak memory |\n|---|---|---|---|---|---|---|\n| an example");
});

test.each([
  ["grows as the size does", (size: number) => 3 * size, 1],
  ["stays", () => 250, 0],
  ["grows as the square of the size", (size: number) => size ** 2, 2],
  ["grows as the root of the size", (size: number) => 7 * Math.sqrt(size), 0.5],
])("the exponent of what %s", (_, time, expected) => {
  expect(exponent([10, 100, 1000].map((size) => [size, time(size)] as const))).toBeCloseTo(expected, 10);
});

test("a cost that does not grow flattens the exponent", () => {
  // log10 of 11, 20, 110 against 1, 2, 3: half of the rise from the first to the last
  expect(
    exponent([
      [10, 11],
      [100, 20],
      [1000, 110],
    ] as const),
  ).toBeCloseTo(0.5, 10);
});

test("a subject is measured at each of its sizes", async () => {
  const sizes: (number | undefined)[] = [];
  const place = () => ({
    directory: "/",
    coffer: "",
    peers: new Map(),
    compile: () => Promise.reject(new Error("not needed")),
    [Symbol.dispose]() {},
  });
  const grown: Subject = {
    ...subject,
    growth: { sizes: [1000, 10_000, 100_000], unit: "files" },
    async prepare(_, size) {
      sizes.push(size);
      return { coffer: { command: ["true"] }, reference: { command: ["true"] } };
    },
  };
  const { cells } = await measureGrowth(grown, 1, place);
  expect(sizes).toEqual([1000, 10_000, 100_000]);
  expect(cells[0]).toBe("1,000 · 10,000 · 100,000 files");
  expect(cells[1]).toMatch(/^[\d.]+ ms · [\d.]+ ms · [\d.]+ ms$/);
  expect(cells[2]).toMatch(/^\*\*-?\d\.\d\d \[-?\d\.\d\d\]\*\*$/);
});

const log: Peer = {
  title: "a log",
  command: ["sh", "-c", "cat input >> begun; cat begun >> ../said"],
  env: () => ({}),
  begin: async (home) => void (await Bun.write(join(home, "begun"), "begun ")),
};

function placeWith(directory: string, peers: Peers): Place {
  return { directory, coffer: "", peers, compile: () => Promise.reject(new Error("not needed")) };
}

test("who stands beside begins in a new home for each round, which is out of the way afterwards; who is not there is left out", async () => {
  using directory = temporaryRoot();
  const place = placeWith(directory.path, new Map([["restic", log]]));
  const peers = await beside(place, ["restic", "borg"], { before: async (home) => void (await Bun.write(join(home, "input"), "input\n")) });
  expect(Object.keys(peers)).toEqual(["a log"]);
  await measure({ coffer: { command: ["true"] }, reference: { command: ["true"] }, peers }, 1);
  expect(readFileSync(join(directory.path, "said"), "utf8")).toBe("begun input\nbegun input\n");
  expect(existsSync(join(directory.path, "peer-restic"))).toBe(false);
});

test("a directory that is taken out of the way leaves its path to another one, which is empty", () => {
  using directory = temporaryRoot();
  const round = join(directory.path, "round");
  const made = (): string[] => {
    makeFreshDirectory(round);
    expect(readdirSync(round)).toEqual([]);
    writeFileSync(join(round, "file"), "x");
    return readdirSync(directory.path, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith("file"));
  };
  expect(made()).toHaveLength(1);
  retireDirectory(round, directory.path, Infinity);
  expect(made()).toHaveLength(2);
  // where there is no room for it, it goes
  retireDirectory(round, directory.path, 0);
  expect(made()).toHaveLength(2);
});

test("who takes the same in again does it in one home", async () => {
  using directory = temporaryRoot();
  const place = placeWith(directory.path, new Map([["restic", log]]));
  const peers = await besideAgain(place, ["restic"], async (home) => void (await Bun.write(join(home, "input"), "input\n")));
  await measure({ coffer: { command: ["true"] }, reference: { command: ["true"] }, peers }, 1);
  expect(readFileSync(join(directory.path, "said"), "utf8")).toBe("begun input\nbegun input\ninput\n");
});

test("flushes are counted by what they flush", () => {
  const log = `13782 fsync(5</s>)       = 0
13782 fsync(6</s/coffer.db-wal>) = 0
13788 fsync(11</s/tmp/01a1/blob-1> <unfinished ...>
13787 fdatasync(8</s/tmp/01a1/pack-0>) = 0
13788 <... fsync resumed>)              = 0
13782 fsync(6</s/coffer.db-wal>) = 0
13782 fsync(5</s/coffer.db>)              = 0
13782 fsync(8</s/manifests/.01.yaml.tmp>) = 0
13782 fsync(9</s/journal.jsonl>)        = 0
13782 syncfs(9</s>)                     = 0
13782 sync()                            = 0
13786 fsync(4</home/a (b)>c.bin>)       = 0
13786 +++ exited with 0 +++
`;
  expect(Object.fromEntries(countFlushes(log, (path) => path === "/s"))).toEqual({
    directory: 1,
    "the database's write-ahead log": 2,
    blob: 1,
    pack: 1,
    "the database": 1,
    manifest: 1,
    "the journal": 1,
    "the whole file system (syncfs)": 1,
    "the whole file system (sync)": 1,
    "another file": 1,
  });
});

test("everybody is measured in turn, after one round that does not count", async () => {
  const order: string[] = [];
  const note = (name: string) => ({ command: ["true"], before: () => void order.push(name) });
  const samples = await measure({ coffer: note("coffer"), reference: note("reference") }, 2);
  expect(order).toEqual(["reference", "coffer", "reference", "coffer", "reference", "coffer"]);
  expect(samples["coffer"]?.milliseconds).toHaveLength(2);
  expect(samples["reference"]?.peakBytes).toBeGreaterThan(0);
});

test("who stands beside is measured three times at most", async () => {
  const program = { command: ["true"] };
  const samples = await measure({ coffer: program, reference: program, peers: { other: program } }, 5);
  expect(Object.fromEntries(Object.entries(samples).map(([name, { milliseconds }]) => [name, milliseconds.length]))).toEqual({
    reference: 5,
    coffer: 5,
    other: 3,
  });
});

test("the memory of a small program is its own, and not that of the one that measures", async () => {
  const ballast = Buffer.alloc(200 << 20, 1);
  const { coffer } = await measure({ coffer: { command: ["true"] }, reference: { command: ["true"] } }, 1);
  expect(ballast.at(-1)).toBe(1);
  expect(coffer?.peakBytes).toBeLessThan(100e6);
});

test("the memory of what a program starts counts, too", async () => {
  const hungry = { command: ["sh", "-c", '"$0" -e "Buffer.alloc(150 << 20, 1)"; true', process.execPath] };
  const { coffer } = await measure({ coffer: hungry, reference: { command: ["true"] } }, 1);
  expect(coffer?.peakBytes).toBeGreaterThan(150e6);
});

test("a program that fails is no measurement", async () => {
  const failing = { command: ["sh", "-c", "echo broken >&2; exit 7"] };
  await expect(measure({ coffer: failing, reference: { command: ["true"] } }, 1)).rejects.toThrow(/ended with 7: broken/);
});

test("only those peers are installed that are asked for, each once, and who cannot be had is said and left out", async () => {
  using empty = temporaryRoot();
  const script = `
    import { peersOnDemand } from ${JSON.stringify(join(import.meta.dir, "../../scripts/peers/install.ts"))};
    const peers = peersOnDemand((words) => console.log(words));
    console.log("asked");
    console.log(await peers.get("restic"), await peers.get("restic"));
  `;
  // without apt-get
  const child = Bun.spawn([process.execPath, "-e", script], { env: { PATH: empty.path }, stdio: ["ignore", "pipe", "inherit"] });
  const lines = (await child.stdout.text()).trim().split("\n");
  expect(lines).toEqual([
    "asked",
    "restic: installed where it is missing, 30 MB …",
    expect.stringContaining("restic is left out: "),
    "undefined undefined",
  ]);
});

test("whatever a process started is ended with what those started, also in sessions of their own", async () => {
  using directory = temporaryRoot();
  const script = `
    import { endDescendants } from ${JSON.stringify(join(import.meta.dir, "../../scripts/bench/end-descendants.ts"))};
    Bun.spawn(["sh", "-c", "(echo $$ >first; sleep 1000 & echo $! >second; wait) & wait"], { detached: true });
    while (!(await Bun.file("second").exists()) || (await Bun.file("second").text()) === "") await Bun.sleep(10);
    endDescendants();
  `;
  const child = Bun.spawn([process.execPath, "-e", script], { cwd: directory.path, stdio: ["ignore", "inherit", "inherit"] });
  expect(await child.exited).toBe(0);
  for (const name of ["first", "second"]) {
    const pid = Number(readFileSync(join(directory.path, name), "utf8"));
    expect(pid).toBeGreaterThan(1);
    const state = Bun.spawnSync(["ps", "-o", "stat=", "-p", String(pid)]).stdout.toString();
    expect(state).toMatch(/^(Z.*)?\s*$/);
  }
});

test("a bench that is interrupted leaves neither processes nor files", async () => {
  using directory = temporaryRoot();
  const bench = Bun.spawn([process.execPath, join(import.meta.dir, "../../scripts/bench/main.ts"), "run", "--rounds", "100000"], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, TMPDIR: directory.path },
    detached: true,
  });
  let said = "";
  for await (const part of bench.stderr.pipeThrough(new TextDecoderStream())) {
    said += part;
    // as a terminal does; npm passes on what it gets itself
    if (part.includes("run: coffer run -- true …")) for (let nth = 0; nth < 2; nth++) process.kill(-bench.pid, "SIGINT");
  }
  expect(await bench.exited).toBe(130);
  expect(said).toContain("interrupted: ");
  expect(readdirSync(directory.path)).toEqual([]);
  expect(Bun.spawnSync(["ps", "-eo", "args="]).stdout.toString()).not.toContain(directory.path);
});

test("the bench measures the start of the binary, and refuses a subject that it does not have", async () => {
  const bench = async (...words: string[]) => {
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "../../scripts/bench/main.ts"), ...words], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    return { out: await child.stdout.text(), err: await child.stderr.text(), code: await child.exited };
  };
  expect((await bench("start", "--rounds", "1")).out).toMatch(/^\| coffer --version \| [\d.]+ ms/m);
  expect(await bench("stop")).toMatchObject({ code: 2, err: expect.stringContaining("no such subject: stop") });
  expect(await bench("--stop")).toMatchObject({ code: 2, err: expect.stringContaining("npm run bench -- --help") });
  expect(await bench("start", "--rounds", "0")).toMatchObject({ code: 2, err: expect.stringContaining("--rounds 0") });
  expect(await bench("--help")).toMatchObject({ code: 0, out: expect.stringMatching(/^ {2}start +coffer --version$/m) });
});
