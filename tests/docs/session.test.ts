import { expect, test } from "bun:test";
import { playPage } from "./page.ts";

const page = (...lines: string[]): string => ["```console", ...lines, "```"].join("\n");

test("a page that says what happens is true", async () => {
  const true_ = page(
    "$ printf 'one\\ntwo  2\\nthree\\n'",
    "one",
    "two 2",
    "…",
    "$ x=5",
    "$ cat <<END",
    "> $x",
    "> END",
    "5",
    "$ sh -c 'echo no >&2; exit 3'",
    "n…",
    "$ echo $?",
    "3",
    "$ cd / && echo $HOME",
    "/…/home",
  );
  expect(await playPage(true_)).toEqual([]);
});

test("what does not happen is found, with its line", async () => {
  const said = async (...lines: string[]): Promise<string> => (await playPage(page(...lines))).join("\n");
  expect(await said("$ true", "$ false")).toContain("line 3: false: exit code 1");
  expect(await said("$ echo one", "two")).toContain("line 2: echo one printed\none");
  expect(await said("$ printf 'one\\ntwo\\n'", "one")).toContain("line 2");
  expect(await said("$ echo one", "one", "two")).toContain("line 2");
  expect(await said("$ false", "$ echo $?", "0")).toContain("line 3: echo $? printed\n1");
  expect(await said("$ printf 'one\\ntwo\\n'", "…", "three")).toContain("line 2");
  expect(await said("$ exit 0", "$ true")).toContain("not reached: true");
  expect(playPage(page("words"))).rejects.toThrow("a block begins with a command");
});
