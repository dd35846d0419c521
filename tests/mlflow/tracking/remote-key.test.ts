import { expect, test } from "bun:test";
import fc from "fast-check";
import { remoteKey } from "../../../src/mlflow/tracking/remote-key.ts";

test.each(["loss", "val/acc", "a.b-c_d: e", "é/ß/数", ".hidden", "a..b", "x".repeat(250), "½"])("the key %j stays as it is", (key) => {
  expect(remoteKey(key)).toEqual({ key, changed: false });
});

test.each([
  ["mAP@0.5", "mAP_0.5-"],
  ["layers[0]", "layers_0_-"],
  ["/abs", "abs-"],
  ["a//b/", "a/b-"],
  ["../up", "_/up-"],
  ["...", "__.-"],
  ["..x", "__x-"],
  ["..x/y", "__x/y-"],
  ["//..x", "__x-"],
  [".", "_-"],
  ["/", "-"],
  ["new\nline", "new_line-"],
  ["e\u0301", "e_-"],
  ["\ud800", "_-"],
  ["𱍐", "_-"],
  ["x".repeat(251), "x".repeat(243) + "-"],
])("the key %j becomes %s and a hash", (key, start) => {
  const mapped = remoteKey(key);
  expect(mapped.changed).toBe(true);
  expect(mapped.key).toStartWith(start);
  expect(mapped.key.slice(start.length)).toMatch(/^[0-9a-f]{6}$/);
});

test("an empty key is refused", () => expect(() => remoteKey("")).toThrow(/empty key/));

test("whatever the key, what comes out needs no second change, and two keys stay two", () => {
  const key = fc.string({ unit: "binary", minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(key, key, (a, b) => {
      const mapped = remoteKey(a).key;
      expect(remoteKey(mapped)).toEqual({ key: mapped, changed: false });
      if (a !== b) expect(remoteKey(b).key).not.toBe(mapped);
    }),
  );
});
