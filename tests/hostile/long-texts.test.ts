import { expect, test } from "bun:test";
import { join } from "node:path";

/** Of the processor, however busy the machine is. What takes a time that grows with the square of a text's length takes minutes; a loop in this very process nobody could end. */
const SECONDS = 60;

test("a long text, whatever it is made of, is read or refused at once, and in little memory", async () => {
  const program = [process.execPath, "run", join(import.meta.dir, "long-texts.ts")];
  const child = Bun.spawn(["sh", "-c", `ulimit -t ${SECONDS}; exec "$0" "$@"`, ...program], { stdout: "pipe", stderr: "pipe" });
  const [said, fault, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect({ code, fault, last: code === 0 ? "" : said.trimEnd().split("\n").at(-1) }).toEqual({ code: 0, fault: "", last: "" });
  expect(child.resourceUsage()?.maxRSS).toBeLessThan(1_500_000_000);
}, 300_000);
