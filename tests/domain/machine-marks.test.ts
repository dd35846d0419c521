import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { machineMarks } from "../../src/domain/machine-marks.ts";

test("each card of this machine makes one mark, the same each time, from which neither address nor id can be read", () => {
  const marks = machineMarks();
  expect(machineMarks()).toEqual(marks);
  const cards = readdirSync("/sys/class/net").filter((name) => existsSync(`/sys/class/net/${name}/device`));
  expect(marks.length).toBeLessThanOrEqual(cards.length);
  const [id, ...addresses] = ["/etc/machine-id", ...cards.map((name) => `/sys/class/net/${name}/address`)].map((path) =>
    existsSync(path) ? readFileSync(path, "latin1").trim() : "",
  );
  for (const mark of marks) {
    expect(mark).toMatch(/^[0-9a-f]{16}$/);
    expect(id).not.toContain(mark);
    for (const address of addresses) expect(mark).not.toContain(address.replaceAll(":", ""));
  }
});
