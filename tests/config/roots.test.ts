import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { checkRoots, standardRoots } from "../../src/config/roots.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const refusal = expect.objectContaining({ code: "ROOTS_OVERLAP", hint: expect.stringMatching(/./) });

test("the standard layout and roots apart from one another pass", () => {
  for (const roots of [
    standardRoots("/s"),
    standardRoots("/"),
    { store: "/s", workspace: "/w", mlflow: "/m" },
    { store: "/s", workspace: "/s-work", mlflow: "/s.mlruns" },
    { store: "/a/s", workspace: "/a/w", mlflow: "/a/s/mlruns" },
  ])
    expect(() => checkRoots(roots)).not.toThrow();
});

test.each([
  { store: "/s", workspace: "/s", mlflow: "/m" },
  { store: "/s", workspace: "/s/runs", mlflow: "/m" },
  { store: "/s", workspace: "/s/work/deeper", mlflow: "/m" },
  { store: "/s", workspace: "/s/binaries", mlflow: "/m" },
  { store: "/s", workspace: "/s/manifests", mlflow: "/m" },
  { store: "/s", workspace: "/s/mlruns", mlflow: "/m" },
  { store: "/s", workspace: "/w", mlflow: "/s/cache" },
  { store: "/s", workspace: "/w", mlflow: "/s/tmp" },
  { store: "/s", workspace: "/w", mlflow: "/s/work" },
  { store: "/w/s", workspace: "/w", mlflow: "/m" },
  { store: "/m/s", workspace: "/w", mlflow: "/m" },
  { store: "/s", workspace: "/x", mlflow: "/x" },
  { store: "/s", workspace: "/x/w", mlflow: "/x" },
  { store: "/s", workspace: "/x", mlflow: "/x/m" },
  { store: "/s", workspace: "/", mlflow: "/m" },
])("%j overlaps", (roots) => {
  expect(() => checkRoots(roots)).toThrow(refusal);
});

test("a symlink hides no overlap, and a moved part of the layout is none", () => {
  using root = temporaryRoot();
  mkdirSync(root.at("store/binaries"), { recursive: true });
  mkdirSync(root.at("big"));
  symlinkSync(root.at("store"), root.at("link"));
  expect(() => checkRoots({ store: root.at("store"), workspace: root.at("link/elsewhere/not/yet"), mlflow: root.at("m") })).toThrow(
    refusal,
  );
  expect(() => checkRoots({ store: root.at("link"), workspace: root.at("store/work"), mlflow: root.at("store/mlruns") })).not.toThrow();
  symlinkSync(root.at("big"), root.at("store/work"));
  expect(() => checkRoots(standardRoots(root.at("store")))).not.toThrow();
  symlinkSync(root.at("store/binaries"), root.at("store/mlruns"));
  expect(() => checkRoots(standardRoots(root.at("store")))).toThrow(refusal);
});

test("a part of another store is no root", () => {
  using root = temporaryRoot();
  mkdirSync(root.at("store/binaries"), { recursive: true });
  expect(() => checkRoots(standardRoots(root.at("store/binaries")))).not.toThrow();
  writeFileSync(root.at("store/coffer.db"), "");
  expect(() => checkRoots(standardRoots(root.at("store/binaries")))).toThrow(refusal);
});
