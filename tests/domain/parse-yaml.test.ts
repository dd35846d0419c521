import { expect, test } from "bun:test";

/** In a process of its own: what was loaded once stays loaded. */
function loadsLexer(text: string): boolean {
  const program = `
    const { parseYaml } = await import(${JSON.stringify(Bun.resolveSync("../../src/domain/parse-yaml.ts", import.meta.dir))});
    parseYaml(${JSON.stringify(text)});
    console.log(Object.keys(require.cache).some((path) => path.includes("/node_modules/yaml/")));`;
  const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", program], { stderr: "pipe" });
  expect(stderr.toString()).toBe("");
  return stdout.toString() === "true\n";
}

test("params without aliases are read without npm's lexer, which would cost each run two milliseconds", () => {
  expect(loadsLexer("rate: 0.1\nnote: a & b, 2 * 3\n")).toBe(false);
  expect(loadsLexer("a: &t text\nb: *t\n")).toBe(true);
});
