import { expect, test } from "bun:test";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keeperCommand } from "../../../src/run/terminal/keeper-command.ts";
import { scratch } from "../wrapped.ts";

const linux = test.skipIf(process.platform !== "linux");

linux("a tee that knows how to ignore broken pipes is started as it is, any other one by a shell that does it in its place", () => {
  using directory = scratch();
  const [knows, other, large, script] = ["knows", "other", "large", "script"].map((name) => directory.at(name)) as [
    string,
    string,
    string,
    string,
  ];
  writeFileSync(knows, "\x7fELF…\0--output-error\0");
  writeFileSync(other, "\x7fELF…\0--append\0");
  // a program of many tools: what it has is not this tool's
  writeFileSync(large, "\x7fELF…\0--output-error\0");
  truncateSync(large, 5 << 20);
  writeFileSync(script, '#!/bin/sh\n# without --output-error\nexec /usr/bin/tee "$@"\n');
  expect(keeperCommand(knows)("/log")).toEqual([knows, "-a", "-p", "/log"]);
  for (const tee of [other, large, script, directory.at("missing")])
    expect(keeperCommand(tee)("/log")).toEqual(["/bin/sh", "-c", expect.stringContaining("trap"), tee, "/log"]);
});

linux("where files may not grow as they like a shell sees to that signal, whatever the tee", () => {
  using directory = scratch();
  writeFileSync(directory.at("tee"), "\x7fELF…\0--output-error\0");
  const module = join(import.meta.dir, "../../../src/run/terminal/keeper-command.ts");
  const script = `console.log((await import(${JSON.stringify(module)})).keeperCommand(${JSON.stringify(directory.at("tee"))})("/log")[0])`;
  const program = (limit: string): string =>
    Bun.spawnSync(["sh", "-c", `ulimit -f ${limit}; exec "$0" -e "$1"`, process.execPath, script])
      .stdout.toString()
      .trim();
  expect([program("unlimited"), program("1000000")]).toEqual([directory.at("tee"), "/bin/sh"]);
});
