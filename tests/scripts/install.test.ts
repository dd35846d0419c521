import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";

interface Locked {
  version: string;
  optional?: boolean;
  os?: string[];
  optionalDependencies?: Record<string, string>;
}

const project = join(import.meta.dir, "../..");
const { packages } = JSON.parse(readFileSync(join(project, "package-lock.json"), "utf8")) as { packages: Record<string, Locked> };

test("the lock names the packages of every platform, so that npm ci works wherever it was written", () => {
  // npm leaves out what the registry of the moment does not have, and then refuses its own lock
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !packages[`${path}/node_modules/${name}`] && !packages[`node_modules/${name}`]),
  );
  expect(missing).toEqual([]);
});

test("the lock names no registry", () => {
  expect(Object.entries(packages).filter(([, locked]) => "resolved" in locked)).toEqual([]);
});

test("every dependency is pinned", () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(project, "package.json"), "utf8")) as Record<
    string,
    Record<string, string>
  >;
  const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version));
  expect(loose).toEqual([]);
});
