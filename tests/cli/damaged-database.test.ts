import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { REPLACE_DATABASE } from "../../src/domain/damaged-database.ts";
import { place } from "./run-place.ts";
import type { Place } from "./run-place.ts";
import type { JsonError } from "./words.ts";

const PAGE = 4096;

/** A store whose database is one file, and what that holds. */
async function stored(here: Place): Promise<Buffer> {
  await here.run("echo one >$W/m", ["--register", "model=m"]);
  const file = `${here.root}/coffer.db`;
  {
    using db = new Database(file);
    db.run("PRAGMA wal_checkpoint(TRUNCATE)");
  }
  for (const beside of ["-wal", "-shm"]) rmSync(`${file}${beside}`, { force: true });
  return readFileSync(file);
}

function destroy(here: Place, whole: Buffer, pages: readonly number[]): void {
  const hurt = Buffer.from(whole);
  for (const page of pages) hurt.fill(0xff, (page - 1) * PAGE, page * PAGE);
  for (const beside of ["-wal", "-shm"]) rmSync(`${here.root}/coffer.db${beside}`, { force: true });
  writeFileSync(`${here.root}/coffer.db`, hurt);
}

const pagesOf = (whole: Buffer): number[] => Array.from({ length: whole.length / PAGE }, (_, index) => index + 1);

test("verify lists the damage of a database whose pages are malformed, whichever page it is", async () => {
  using here = place();
  const whole = await stored(here);
  for (const page of pagesOf(whole)
    .slice(1)
    .filter((number) => number % 4 === 2)) {
    destroy(here, whole, [page]);
    const result = await here.coffer(["verify", "--json"]);
    const { damage } = result.json<{ damage: { what: string; path: string; detail: string }[] }>();
    expect([page, result.code, new Set(damage.map(({ what }) => what))]).toEqual([page, 1, new Set(["database"])]);
    expect(damage[0]).toMatchObject({ path: `${here.root}/coffer.db`, detail: expect.stringMatching(/./) });
  }
});

test("every command says that the database is damaged, and what to do", async () => {
  using here = place();
  const whole = await stored(here);
  here.write("f", "f");
  destroy(here, whole, pagesOf(whole).slice(1));
  for (const args of [["ls"], ["show", "model"], ["runs"], ["log", "f"], ["gc"], ["get", "model"]]) {
    const result = await here.coffer([...args, "--json"]);
    const error = JSON.parse(result.stderr.trim().split("\n").at(-1) as string) as JsonError;
    expect([args, result.code, result.stdout, error]).toMatchObject([
      args,
      5,
      "",
      { schema: "coffer.error/1", code: "STORE_DAMAGED", exit: 5, hint: expect.stringContaining(REPLACE_DATABASE) },
    ]);
  }
});

test.each(["sources", "artifacts", "blobs", "pins"])("a database without its table %s is damaged", async (table) => {
  using here = place();
  await stored(here);
  {
    using db = new Database(`${here.root}/coffer.db`);
    db.run("PRAGMA foreign_keys = OFF");
    db.run(`DROP TABLE ${table}`);
  }
  here.write("d/f", "bytes");
  const result = await here.coffer(["log", "d", "--json"]);
  const error = JSON.parse(result.stderr.trim().split("\n").at(-1) as string) as JsonError;
  expect([error.code, error.message]).toEqual([
    "STORE_DAMAGED",
    expect.stringMatching(/^the store's database is damaged: no such table: /),
  ]);
  expect(error.hint).toContain(REPLACE_DATABASE);
  const { code, stdout } = await here.coffer(["verify"]);
  expect([code === 0, stdout]).toEqual([false, expect.stringContaining(`table ${table} is not there`)]);
});

test("a run stops before its command with 125, in the one form of errors, and with --untracked-ok the command runs once", async () => {
  using here = place();
  const whole = await stored(here);
  destroy(here, whole, pagesOf(whole).slice(1));
  const refused = await here.run("touch started", ["--json"]);
  expect([refused.code, refused.stdout, existsSync(here.at("started"))]).toEqual([125, "", false]);
  expect(JSON.parse(refused.stderr)).toMatchObject({ schema: "coffer.error/1", code: "STORE_DAMAGED", exit: 125 });
  const ran = await here.run("echo ran >>started; exit 7", ["--untracked-ok"]);
  expect([ran.code, readFileSync(here.at("started"), "utf8")]).toEqual([7, "ran\n"]);
  expect(ran.stderr).toContain("this run is not tracked: ");
});

test("where only what a run writes is damaged, --untracked-ok still runs the command exactly once", async () => {
  using here = place();
  const whole = await stored(here);
  for (const page of pagesOf(whole)
    .slice(1)
    .filter((number) => number % 8 === 3)) {
    destroy(here, whole, [page]);
    rmSync(here.at("started"), { force: true });
    const ran = await here.run("echo ran >>started; exit 7", ["--untracked-ok"]);
    expect([page, ran.code, readFileSync(here.at("started"), "utf8")]).toEqual([page, 7, "ran\n"]);
    expect(ran.stderr).not.toContain("internal error");
  }
});

test("what an error of a run says of its exit code is what the process ends with", async () => {
  using here = place();
  const codes = async (...args: string[]): Promise<[number | null, number]> => {
    const { code, stderr } = await here.coffer(["run", "--json", ...args]);
    return [code, (JSON.parse(stderr) as JsonError).exit];
  };
  expect(await codes("--", "no-such-command")).toEqual([127, 127]);
  expect(await codes("--input", "nothing", "--", "true")).toEqual([125, 125]);
  expect(await codes()).toEqual([125, 125]);
});
