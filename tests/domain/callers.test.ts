import { expect, test } from "bun:test";
import { temporaryRoot } from "../support/temporary-root.ts";

/** What a process says of its callers that `sh` starts in this way: their pids, after that of the shell itself. */
async function callersIn(script: string): Promise<number[]> {
  const program = `import { callers } from ${JSON.stringify(`${import.meta.dir}/../../src/domain/callers.ts`)}; console.log(callers().map((who) => who.pid).join(" "));`;
  using root = temporaryRoot();
  await Bun.write(root.at("callers.ts"), program);
  const tell = `${process.execPath} ${root.at("callers.ts")}`;
  const child = Bun.spawn(["sh", "-c", `echo $$; ${script.replace("TELL", tell)}; :`], { stdio: ["ignore", "pipe", "inherit"] });
  return (await child.stdout.text()).trim().split(/\s+/).map(Number);
}

test("the caller is the process that started us", async () => {
  const [shell, ...found] = await callersIn("TELL");
  expect(found).toEqual([shell as number]);
});

test("copies of a shell that it made for a part of its script are callers too, up to the shell itself", async () => {
  const [shell, ...found] = await callersIn("echo $(cd /; x=$(TELL; :); echo $x; :)");
  expect([found.length, found.at(-1), new Set(found).size]).toEqual([3, shell, 3]);
});

test("a shell that another one started with other words is no copy of it", async () => {
  const [, ...found] = await callersIn("sh -c 'TELL; :'");
  expect(found).toHaveLength(1);
});
