import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { checkAlias, checkArtifactName, checkArtifactPath, checkName, filePart } from "../../src/domain/names.ts";

const HOSTILE = [
  "",
  ".",
  "..",
  "../x",
  "a/b",
  "a\\b",
  "/etc/passwd",
  "a\0b",
  "\0",
  "x".repeat(300),
  "a\nb",
  "a\x1b[31m",
  "a\x7f",
  " a",
  "a ",
  "\ta",
];

test.each(HOSTILE)("%j is no name, dataset or alias", (name) => {
  for (const check of [(text: string) => checkName("dataset", text), checkArtifactName, checkAlias])
    expect(() => check(name)).toThrow(expect.objectContaining({ code: "NAME_INVALID" }));
});

test.each([
  "a",
  "churn-model",
  "churn model",
  "модель",
  "模型",
  "a.b_c-d",
  "x".repeat(200),
  "0001_pls:3:all",
  "10000:3:0",
  "20240101-1200-3",
  "deadbeef",
  "0192f0c1",
])("%j is a name", (name) => {
  expect(checkArtifactName(name)).toBe(name);
});

test.each([
  "a@b",
  "@",
  "name@v3",
  "blake3:abcd",
  "sha256:abcd",
  "0192f0c1-2b3d-7a4e-8f5a-6b7c8d9e0f1a",
  "6F1D2C3B-4a59-4687-9cba-0d1e2f304152",
  "0192f0c1-2b3d-7",
  "0192f0c1-2b3d-7a4e-8f",
])("%j would read as something else than a name", (name) => {
  expect(() => checkArtifactName(name)).toThrow(expect.objectContaining({ code: "NAME_INVALID" }));
});

test.each(["latest", "v1", "v0", "v99", "a:b", "a@b", "run:x"])("the alias %s is reserved or unreadable", (alias) => {
  expect(() => checkAlias(alias)).toThrow(expect.objectContaining({ code: "NAME_INVALID" }));
});

test.each(["best", "prod", "v1-stable", "version1"])("the alias %s may be given", (alias) => {
  expect(checkAlias(alias)).toBe(alias);
});

test.each([
  "",
  "/",
  "/a",
  "a/",
  "a//b",
  ".",
  "..",
  "./a",
  "a/.",
  "../x",
  "a/../b",
  "a/..",
  "a\0b",
  "x".repeat(256),
  "é".repeat(128),
  `${"a/".repeat(2100)}b`,
])("%j is no path inside a run", (path) => {
  expect(() => checkArtifactPath(path)).toThrow(expect.objectContaining({ code: "PATH_INVALID" }));
});

test.each(["a", "a/b/c.txt", "..a", "a..", "...", "with blank", "new\nline", "x".repeat(255), "é".repeat(127), "a\\b"])(
  "%j is a path inside a run",
  (path) => {
    expect(checkArtifactPath(path)).toBe(path);
  },
);

test("a path that was let through never leads out", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("..", ".", "", "a", "..b", "c."), { minLength: 1, maxLength: 6 }), (parts) => {
      const path = parts.join("/");
      let taken: string;
      try {
        taken = checkArtifactPath(path);
      } catch {
        return;
      }
      expect(new URL(taken, "file:///inside/").pathname.startsWith("/inside/")).toBe(true);
    }),
  );
});

test("a part of a file name is safe, short and never empty, whatever it was made from", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) =>
      expect(filePart(text)).toMatch(/^[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,59}$/),
    ),
  );
  for (const [text, part] of [
    ["Ridge", "Ridge"],
    ["a/b", "a_b"],
    ["..", "_"],
    [".hidden", "_hidden"],
    ["", "-"],
  ] as const)
    expect(filePart(text)).toBe(part);
});
