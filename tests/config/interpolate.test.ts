import { expect, test } from "bun:test";
import { interpolate } from "../../src/config/interpolate.ts";

const env = { HOST: "h", EMPTY: "", REF: "${HOST}", DOLLAR: "$$" };

test.each([
  ["plain", "plain"],
  ["${HOST}", "h"],
  ["http://${HOST}:${PORT:5000}/", "http://h:5000/"],
  ["${EMPTY}", ""],
  ["${EMPTY:x}", "x"],
  ["${NONE:}", ""],
  ["${NONE:a:b/c d}", "a:b/c d"],
  ["$${HOST}", "${HOST}"],
  ["$$$${HOST}", "$${HOST}"],
  ["$$${HOST}", "$h"],
  ["a $HOST $ b", "a $HOST $ b"],
  // what a variable holds is not read again
  ["${REF}", "${HOST}"],
  ["${DOLLAR}", "$$"],
])("%s becomes %s", (text, wanted) => {
  expect(interpolate(text, env)).toBe(wanted);
});

test("items of lists are expanded, other values pass", () => {
  expect(interpolate(["${HOST}", 3, "x"], env)).toEqual(["h", 3, "x"]);
  for (const value of [1, true, null]) expect(interpolate(value, env)).toBe(value);
});

test.each([
  ["${NONE}", "names the variable NONE, which is not set"],
  ["${NONE:-x}", "as shells do"],
  ["${", "without a variable"],
  ["${HOST", "without a variable"],
  ["${}", "without a variable"],
  ["${A B}", "without a variable"],
  ["${1}", "without a variable"],
])("%s is refused", (text, message) => {
  expect(() => interpolate(text, env)).toThrow(
    expect.objectContaining({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(message),
      hint: expect.stringMatching(/\$\{|\$\$/),
    }),
  );
});
