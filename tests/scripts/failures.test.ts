import { expect, test } from "bun:test";
import { wordsOfFailures } from "../../scripts/failures.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

test("of each failed test its own words are found in what bun test prints, one worker or several", async () => {
  using root = temporaryRoot();
  await Bun.write(
    root.at("a.test.ts"),
    `import { expect, test } from "bun:test";
     test("good", () => console.error("not of interest"));
     test("wrong", () => expect("received words").toBe("expected words"));
     test.skip("not now", () => {});`,
  );
  await Bun.write(
    root.at("b.test.ts"),
    `import { test } from "bun:test"; test("throws", () => { throw new Error("a reason\\nof two lines"); });`,
  );
  for (const more of [[], ["--parallel"]]) {
    const child = Bun.spawn([process.execPath, "test", ...more], { cwd: root.path, stdio: ["ignore", "ignore", "pipe"] });
    const [output, code] = await Promise.all([child.stderr.text(), child.exited]);
    expect(code).toBe(1);
    const told = wordsOfFailures(output);
    for (const words of ["received words", "expected words", "(fail) wrong", "of two lines", "(fail) throws"])
      expect(told).toContain(words);
    expect(told).not.toContain("(pass)");
  }
});

test("of long words those next to the failure are kept", () => {
  expect(wordsOfFailures("(pass) a\n1\n2\n3\n(fail) b\n4\n5\n(pass) c\n6", { before: 2, after: 1 })).toBe("2\n3\n(fail) b\n4");
});
