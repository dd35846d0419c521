import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { coffer } from "../support/coffer.ts";
import type { CofferResult } from "../support/coffer.ts";
import { asOrdinaryUser } from "../support/mount.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const NOBODY = 65_534;
const prefix = asOrdinaryUser();
if (prefix === undefined && process.env["CI"] === "true") throw new Error("no ordinary user can be had, whom file modes bind");
if (prefix === undefined) console.error("skipped: no ordinary user can be had, so file modes are not tried");

(prefix ? test : test.skip)(
  "modes that let nobody read, or anybody write, are found and mended by a user whom they bind",
  async () => {
    using root = temporaryRoot();
    mkdirSync(root.at("many"));
    for (let nth = 0; nth < 40; nth++) writeFileSync(root.at("many", `${nth}`), `file ${nth}`);
    writeFileSync(root.at("model"), "weights");
    const isRoot = process.getuid?.() === 0;
    if (isRoot) for (const path of [root.path, root.at("model"), root.at("many")]) chownSync(path, NOBODY, NOBODY);
    const call = (...args: string[]): Promise<CofferResult> =>
      coffer(args, { before: prefix ?? [], root: root.at("store"), cwd: root.path, env: { HOME: root.path } });
    for (const name of ["model", "many"]) expect(await call("log", name, "--name", name)).toMatchObject({ code: 0 });
    const below = root.at("store/binaries/default");
    const file = join(below, readdirSync(below).find((name) => name.startsWith("file_")) as string);
    const pack = join(below, "packs", readdirSync(join(below, "packs"))[0] as string);
    expect(await call("verify")).toMatchObject({ code: 0 });
    for (const mode of [0o000, 0o200, 0o100])
      for (const path of [file, pack]) {
        chmodSync(path, mode);
        const found = await call("verify");
        expect([mode, found.code]).toEqual([mode, 1]);
        expect(found.stdout).toContain(path);
        const done = await call("verify", "--repair");
        expect([mode, path === pack, done.code, done.stdout]).toEqual([mode, path === pack, 0, expect.stringContaining("repaired")]);
        expect([(await call("verify")).code, existsSync(path) ? statSync(path).mode & 0o777 : 0o444]).toEqual([0, 0o444]);
      }
    chmodSync(file, 0o666);
    expect(await call("verify")).toMatchObject({ code: 0, stderr: expect.stringContaining("may be written to") });
    expect(await call("verify", "--repair")).toMatchObject({ code: 0 });
    expect(statSync(file).mode & 0o777).toBe(0o444);
    // manifests and the journal too
    const manifests = root.at("store/manifests");
    for (const name of readdirSync(manifests)) {
      chmodSync(join(manifests, name), 0o000);
      expect([name, (await call("verify")).code]).toEqual([name, 1]);
      expect(await call("verify", "--repair")).toMatchObject({ code: 0 });
      expect(await call("verify")).toMatchObject({ code: 0 });
    }
  },
  60_000,
);
