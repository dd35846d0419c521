import { expect, test } from "bun:test";
import { readJunit } from "../../scripts/junit.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

test("a report of bun test is read: what passed, what was skipped, and the names of what failed", async () => {
  using root = temporaryRoot();
  const file = root.at("some.test.ts");
  await Bun.write(
    file,
    `import { describe, expect, test } from "bun:test";
     test("good", () => {});
     test.skip("not now", () => {});
     describe("group", () => { test('bad <"&\\'> one', () => { expect("<failure>").toBe("</testcase>"); }); });
     test("throws", () => { throw new Error("no"); });`,
  );
  const report = root.at("report.xml");
  const child = Bun.spawn([process.execPath, "test", "--reporter=junit", `--reporter-outfile=${report}`, file], {
    cwd: root.path,
    stdio: ["ignore", "ignore", "ignore"],
  });
  expect(await child.exited).toBe(1);
  expect(readJunit(await Bun.file(report).text())).toEqual({
    passed: 1,
    skipped: 1,
    failed: [`some.test.ts: group > bad <"&'> one`, "some.test.ts: throws"],
  });
});

test("a report that was never written counts nothing", () => {
  expect(readJunit("")).toEqual({ passed: 0, skipped: 0, failed: [] });
});
