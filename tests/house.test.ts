import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { expect, test } from "bun:test";
import { safeParse } from "valibot";
import { configSchema } from "../src/config/schema.ts";
import { configKeys } from "../src/config/settings.ts";
import { temporaryRoot } from "./support/temporary-root.ts";

const project = join(import.meta.dir, "..");

/** What each floor may import. */
const BELOW: Record<string, readonly string[]> = {
  domain: [],
  config: ["domain"],
  mlflow: ["domain"],
  blobs: ["domain"],
  db: ["domain"],
  store: ["db", "blobs", "mlflow", "config", "domain"],
  manifest: ["store", "db", "blobs", "mlflow", "config", "domain"],
  gc: ["store", "db", "blobs", "mlflow", "config", "domain"],
  registry: ["store", "db", "blobs", "mlflow", "config", "domain"],
  sync: ["store", "db", "blobs", "mlflow", "config", "domain"],
  run: ["sync", "registry", "gc", "manifest", "store", "db", "blobs", "mlflow", "config", "domain"],
  cli: ["run", "sync", "registry", "gc", "manifest", "store", "db", "blobs", "mlflow", "config", "domain"],
};
const FLOORS = Object.keys(BELOW);

/** Every way in which one file can name another. */
const WAYS: Record<string, (path: string) => string> = {
  import: (path) => `import { a } from "${path}";\nexport const b = a;\n`,
  type: (path) => `import type { A } from "${path}";\nexport type B = A;\n`,
  dynamic: (path) => `export const b = await import("${path}");\n`,
  export: (path) => `export { a as b } from "${path}";\n`,
};

test("a file imports lower floors only, however it names them", () => {
  using root = plantable();
  const forbidden: string[] = [];
  for (const from of FLOORS)
    for (const to of FLOORS)
      for (const [way, text] of Object.entries(WAYS)) {
        if (from === to) continue;
        for (const [folder, out] of [
          ["", "../"],
          ["a-room/", "../../"],
        ]) {
          const file = `src/${from}/${folder}${way}-${to}.ts`;
          plant(root.path, file, text(`${out}${to}/a.ts`));
          if (!BELOW[from]?.includes(to)) forbidden.push(file);
        }
      }
  for (const floor of FLOORS) plant(root.path, `src/${floor}/a.ts`, "export const a = 1;\nexport type A = number;\n");
  for (const floor of FLOORS) {
    plant(root.path, `src/${floor}/up.ts`, `import "../main.ts";\n`);
    forbidden.push(`src/${floor}/up.ts`);
  }
  plant(root.path, "src/main.ts", `export const name = "main";\n`);
  expect(complaints(root.path, "no-restricted-imports")).toEqual(forbidden.toSorted());
});

test("only mlflow/ calls fetch", () => {
  using root = plantable();
  for (const floor of FLOORS) plant(root.path, `src/${floor}/call.ts`, `export const answer = await fetch("http://127.0.0.1/");\n`);
  const allowed = new Set(["src/mlflow/call.ts"]);
  expect(complaints(root.path, "no-restricted-globals")).toEqual(
    FLOORS.map((floor) => `src/${floor}/call.ts`)
      .filter((file) => !allowed.has(file))
      .toSorted(),
  );
});

test("files that import each other in a circle are found", () => {
  using root = plantable();
  plant(root.path, "src/gc/a.ts", `import { b } from "./b.ts";\nexport const a = (): unknown => b;\n`);
  plant(root.path, "src/gc/b.ts", `import { a } from "./a.ts";\nexport const b = (): unknown => a;\n`);
  expect(complaints(root.path, "no-cycle")).toEqual(["src/gc/a.ts", "src/gc/b.ts"]);
});

test("the real tree keeps these rules", () => {
  expect(lint(project).filter(({ code }) => /no-restricted-imports|no-restricted-globals|no-cycle/.test(code))).toEqual([]);
});

test("only db/ speaks SQL", () => {
  for (const planted of [
    `store.db.query("SELECT 1")`,
    `store.db.run("PRAGMA x")`,
    "db.transaction(() => 1)",
    `db.prepare("SELECT 1")`,
    `db.exec("x")`,
    `new Database("x")`,
  ])
    expect(planted).toMatch(SQL);
  expect(offending((text) => SQL.test(text)).filter((file) => !file.startsWith("src/db/"))).toEqual([]);
});

test("a promise that a transaction would leave behind is found", () => {
  // what follows the first await would run outside of the transaction, and nothing would say so
  const planted = "store.transaction(async () => {\n  await something;\n});\n";
  expect(planted).toMatch(ASYNC_TRANSACTION);
  expect(offending((text) => ASYNC_TRANSACTION.test(text))).toEqual([]);
});

test("no other way to the network than fetch is taken", () => {
  for (const planted of [`globalThis.fetch("x")`, `Bun.fetch("x")`, `import { request } from "node:https";`, `Bun.connect({})`])
    expect(planted).toMatch(NETWORK);
  expect(offending((text) => NETWORK.test(text))).toEqual([]);
});

test("files are short, and named after what they do", () => {
  expect(offending((text) => text.split("\n").length > 400)).toEqual([]);
  expect(sources().filter((file) => GRAB_BAG.test(basename(file)))).toEqual([]);
  for (const planted of ["utils.ts", "helpers.ts", "db-helper.ts", "types.ts", "index.ts", "run-manager.ts"])
    expect(planted).toMatch(GRAB_BAG);
});

test("every key of the configuration is read by something", () => {
  // a leaf such as `enabled` is in several sections: what reads it names the section too
  const readers = sources()
    .filter((file) => !file.startsWith("src/config/"))
    .map((file) => readFileSync(join(project, file), "utf8"));
  const unread = configKeys().filter((key) => {
    const [section = "", leaf = ""] = key.split(".").slice(-2);
    return !readers.some((text) => reads(text, section) && reads(text, leaf));
  });
  // it has one value so far, and the schema is what refuses any other
  expect(unread).toEqual(["artifact_store.metadata_backend"]);
  expect(safeParse(configSchema(), { artifact_store: { metadata_backend: "postgres" } }).success).toBe(false);
});

test("each folder of src is a floor", () => {
  const folders = readdirSync(join(project, "src")).filter((name) => statSync(join(project, "src", name)).isDirectory());
  expect(folders.filter((name) => !FLOORS.includes(name))).toEqual([]);
});

const ASYNC_TRANSACTION = /transaction\(\s*async\b/;
const SQL = /\bdb\??\.(?:query|run|prepare|exec|transaction)\(|\bnew Database\(/;
const NETWORK = /globalThis\.fetch|Bun\.(?:fetch|connect)\b|["']node:(?:https?|http2|net|tls|dgram)["']|new (?:WebSocket|XMLHttpRequest)\b/;
const GRAB_BAG = /(?:^|[-.])(?:utils?|helpers?|common|managers?|misc|types|index)\.ts$/;

/** A project with our lint rules and nothing else. */
function plantable(): ReturnType<typeof temporaryRoot> {
  const root = temporaryRoot();
  cpSync(join(project, ".oxlintrc.json"), root.at(".oxlintrc.json"));
  mkdirSync(root.at("node_modules"));
  symlinkSync(join(project, "node_modules/oxlint"), root.at("node_modules/oxlint"));
  return root;
}

function plant(root: string, file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

/** The files that this rule complains of, each once, sorted. */
function complaints(root: string, rule: string): string[] {
  const found = lint(root).filter(({ code }) => code.includes(`(${rule})`));
  return [...new Set(found.map(({ filename }) => filename))].toSorted();
}

function lint(root: string): { code: string; filename: string }[] {
  // into a file: what does not fit into a pipe is lost when it ends
  using scratch = temporaryRoot();
  const said = scratch.at("diagnostics.json");
  Bun.spawnSync([process.execPath, "--bun", join(project, "node_modules/oxlint/bin/oxlint"), "--format=json", "src"], {
    cwd: root,
    stdout: Bun.file(said),
  });
  return (JSON.parse(readFileSync(said, "utf8")) as { diagnostics: { code: string; filename: string }[] }).diagnostics;
}

/** As a property, in a destructuring pattern, or as a key of a table. */
function reads(text: string, name: string): boolean {
  return new RegExp(`(?:[.{,]\\s*|["'\`])${name}\\b`).test(text);
}

function sources(): string[] {
  return [...new Bun.Glob("src/**/*.ts").scanSync({ cwd: project })];
}

function offending(isWrong: (text: string) => boolean): string[] {
  return sources().filter((file) => isWrong(readFileSync(join(project, file), "utf8")));
}
