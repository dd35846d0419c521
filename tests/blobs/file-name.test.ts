import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { blobFileName } from "../../src/blobs/file-name.ts";

const hex = "0123456789abcdef".repeat(4);

test.each([
  [{ type: "model", class: "Ridge", path: "out/model.joblib" }, "model_Ridge_0123456789ab.joblib"],
  [{ type: "file", class: null, path: "README" }, "file_-_0123456789ab"],
  [{ type: "dataset", class: null, path: "data.tar.gz" }, "dataset_-_0123456789ab.tar.gz"],
  [{ type: "file", class: null, path: ".hidden" }, "file_-_0123456789ab"],
  [{ type: "file", class: null, path: "a.b/c" }, "file_-_0123456789ab"],
  [{ type: "file", class: null, path: `a.${"x".repeat(40)}` }, "file_-_0123456789ab"],
  [{ type: "file", class: "sklearn/Ridge α", path: "a.$(rm)" }, "file_sklearn_Ridge___0123456789ab"],
])("%j is called %s", (blob, name) => {
  expect(blobFileName({ ...blob, hex })).toBe(name);
});

test("whatever an artifact is called, its file's name is one plain part that fits", () => {
  const text = fc.string({ unit: "binary", maxLength: 300 });
  fc.assert(
    fc.property(text, fc.option(text), text, (type, kind, path) => {
      const name = blobFileName({ type, class: kind, hex, path }, 64);
      expect(name).toMatch(/^[A-Za-z0-9._+-]+$/);
      expect(name.startsWith(".")).toBe(false);
      expect(name.length).toBeLessThanOrEqual(255);
    }),
  );
});
