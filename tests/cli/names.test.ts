import { expect, test } from "bun:test";
import { events, place } from "./run-place.ts";

const BAD = ["../x", "a/b", "..", "", " a", "a\nb", "x".repeat(300)];

/** Every place where somebody gives an id, a name, an alias, a class or a dataset on the command line. */
const PLACES: ((name: string) => string[])[] = [
  (name) => ["log", "f", "--name", name],
  (name) => ["log", "f", "--class", name],
  (name) => ["log", "f", "--dataset", name],
  (name) => ["log", "f", "--step", `${name}:3:all`],
  (name) => ["log", "f", "--depends-on", `${name}=m`],
  (name) => ["alias", "m", name],
  (name) => ["run", "--name", name, "--", "true"],
  (name) => ["run", "--dataset", name, "--", "true"],
  (name) => ["run", "--pipeline", name, "--", "true"],
  (name) => ["run", "--register", `${name}=f`, "--", "true"],
  (name) => ["load", "--pipeline", name, "--step", "3"],
  (name) => ["load", "--pipeline", "p", "--step", "3", "--dataset", name],
];

test.each(PLACES.map((args) => [args("NAME").join(" "), args] as const))(
  "%s: what leads out, is too long or is no word is refused, and nothing is made",
  async (_, args) => {
    using here = place();
    here.write("f", "f");
    await here.coffer(["log", "f", "--name", "m"]);
    const before = [await here.runs(), here.binaries()];
    for (const name of BAD) {
      const { code, stdout, stderr } = await here.coffer(args(name));
      expect([name, code, stdout, stderr]).toEqual([
        name,
        args("")[0] === "run" ? 125 : 2,
        "",
        expect.stringMatching(/^coffer: error: not an? /),
      ]);
    }
    expect([await here.runs(), here.binaries()]).toEqual(before);
  },
);

test.each(["COFFER_DATASET", "COFFER_PIPELINE"])("%s is held to the same rules, and an empty one is none", async (variable) => {
  using here = place();
  here.write("f", "f");
  for (const command of [
    ["log", "f"],
    ["run", "--", "true"],
  ]) {
    const { code, stderr } = await here.coffer(command, { env: { [variable]: "../x" } });
    expect([code === 0, stderr]).toEqual([false, expect.stringMatching(/^coffer: error: not a (dataset|pipeline id)/)]);
    expect((await here.coffer(command, { env: { [variable]: "" } })).code).toBe(0);
  }
});

test("a NUL is refused where one can come in: in a line of --stdin and in a script's manifest", async () => {
  using here = place();
  here.write("f", "f");
  const logged = await here.coffer(["log", "--stdin"], {
    stdin: '{"artifact": "f", "name": "a\\u0000b"}\n{"artifact": "f", "as": "a\\u0000b"}\n',
  });
  expect([logged.code, logged.stderr]).toEqual([3, expect.stringContaining("line 1: not a name")]);
  expect(logged.stderr).toContain("line 2: not a path inside a run");
  const items = ['"a\\0b"', '"../x"', `"${"x".repeat(300)}"`].map((id) => `    - {artifact_id: ${id}, path: f}\n`).join("");
  here.write("manifest.yaml", `schema_version: "2.0"\nartifacts:\n  items:\n${items}`);
  await here.run(`cp ${here.at("f")} ${here.at("manifest.yaml")} $W`);
  expect(events(await here.shown(), "not-stored").map((message) => message.replace(/ \(.*: (not a name).*/s, ": $1"))).toEqual([
    "manifest.yaml: manifest.yaml, item 1: not a name",
    "manifest.yaml: manifest.yaml, item 2: not a name",
    "manifest.yaml: manifest.yaml, item 3: not a name",
  ]);
});
