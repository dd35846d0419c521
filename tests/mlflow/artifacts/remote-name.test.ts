import { expect, test } from "bun:test";
import fc from "fast-check";
import { listArtifacts } from "../../../src/mlflow/artifacts/list-artifacts.ts";
import { remoteName } from "../../../src/mlflow/artifacts/remote-name.ts";
import { destinationOf } from "../../../src/mlflow/artifacts/destination.ts";
import { downloadArtifact } from "../../../src/mlflow/artifacts/download-artifact.ts";
import { uploadArtifact } from "../../../src/mlflow/artifacts/upload-artifact.ts";
import { mlflow, needsMlflow } from "../../support/mlflow.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";
import { fileSource } from "../../support/file-source.ts";
import { connectQuickly, newRun } from "../../support/quick-connection.ts";

const live = needsMlflow(test);

test.each([
  "model.pt",
  "a b/c d.txt",
  "sub/ x",
  "sub/C:",
  "x ",
  "50%",
  "a%zz",
  "what?no",
  "a;b",
  "a\\b",
  "\\x",
  "...",
  ".hidden",
  "é/😀.png",
  ":x",
  "sub/~:\\x",
  "é/1:y",
  "~~:y",
  "~",
  "a&b=c+d",
  "x".repeat(255),
])("the path %j stays as it is", (path) => expect(remoteName(path)).toEqual({ path, changed: false }));

test.each([
  ["loss#1.png", /^loss_1-[0-9a-f]{6}\.png$/],
  ["50%25", /^50_25-[0-9a-f]{6}$/],
  ["%%41", /^%_41-[0-9a-f]{6}$/],
  ["sub/a\tb.csv", /^sub\/a_b-[0-9a-f]{6}\.csv$/],
  ["new\nline", /^new_line-/],
  ["what?", /^what_-/],
  ["d;;/x", /^d__-[0-9a-f]{6}\/x$/],
  [" x", /^_x-/],
  ["C:", /^C_-/],
  ["C:/x", /^C_-[0-9a-f]{6}\/x$/],
  ["1:y", /^1_y-[0-9a-f]{6}$/],
  ["~:\\x", /^~_\\x-[0-9a-f]{6}$/],
  ["😀:/x", /^😀_-[0-9a-f]{6}\/x$/],
  ["x:y.txt", /^x_y-[0-9a-f]{6}\.txt$/],
  ["\\\\srv\\x", /^__srv\\x-/],
  ["\\/x", /^_-[0-9a-f]{6}\/x$/],
  ["a/.artifact.uploading.b", /^a\/_artifact\.uploading-[0-9a-f]{6}\.b$/],
  ["\ud800", /^_-/],
  [`${"ü".repeat(126)}#.x`, /^ü{123}-[0-9a-f]{6}\.x$/],
])("the path %j is mapped, with a hash", (path, mapped) => {
  expect(remoteName(path).changed).toBe(true);
  expect(remoteName(path).path).toMatch(mapped);
});

test.each(["../x", "/x", "a//b", "a/./b", "", "a\0b", "x".repeat(256)])("the path %j is refused", (path) => {
  expect(() => remoteName(path)).toThrow(expect.objectContaining({ code: "PATH_INVALID" }));
});

const part = fc
  .oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }),
    fc.string({ unit: fc.constantFrom(..."%4#?;: \\.a\tC\x7f~+&"), minLength: 1, maxLength: 12 }),
  )
  .filter((text) => !/[/\0]/.test(text) && text !== "." && text !== ".." && Buffer.byteLength(text) <= 255);
const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));

test("what remoteName gives needs no second change, and two paths stay two", () => {
  fc.assert(
    fc.property(path, path, (a, b) => {
      const mapped = remoteName(a).path;
      expect(remoteName(mapped)).toEqual({ path: mapped, changed: false });
      if (a !== b) expect(remoteName(b).path).not.toBe(mapped);
    }),
    { numRuns: 2000 },
  );
});

live(
  "whatever a file is called, it is listed and read back under the path that remoteName gives",
  async () => {
    const connection = connectQuickly(mlflow.proxied.uri);
    using root = temporaryRoot();
    const source = fileSource(root.at("f"), "content");
    const check = async (given: string): Promise<void> => {
      const run = await newRun(connection);
      const mapped = remoteName(given).path;
      const destination = destinationOf(connection, run.artifactUri);
      if (destination.kind !== "proxied") throw new Error("not the proxied server");
      await uploadArtifact(connection, destination, mapped, source);
      expect(await listArtifacts(connection, run.id)).toEqual(new Map([[mapped, 7]]));
      expect(await downloadArtifact(connection, run.id, mapped, { start() {}, take() {} })).toBe(7);
    };
    for (const given of ["d?/x", "C:/x", "x:y", " lead", "50%25", "a#b", "a;", "\\\\srv\\sh\\x", "\\/x", "n".repeat(255), "file:x"])
      await check(given);
    await fc.assert(fc.asyncProperty(path, check), { numRuns: 40 });
  },
  60_000,
);
