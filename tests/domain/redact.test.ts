import { expect, test } from "bun:test";
import { redactText, redactValue } from "../../src/domain/redact.ts";

test.each([
  ["made with db_password = hunter2, later", "made with db_password = [redacted], later"],
  ["password=hunter2", "password=[redacted]"],
  ["token: abcdef", "token: [redacted]"],
  ["from https:\\\\u:pw@h/x", "from https:\\\\h/x"],
  ["push to https://h/ghp_0123456789abcdefghij/x", "push to https://h/[redacted]/x"],
  ["AccountName=a;AccountKey=abcdefghijklmnop+/==;x=1", "AccountName=a;AccountKey=[redacted];x=1"],
  ["aws_secret_access_key = abcdefghijklmnopqrstuvwx", "aws_secret_access_key = [redacted]"],
  ["machine h login me password x1", "machine h login me password [redacted]"],
  ["if token == other", "if token == other"],
  ["the tokens=100 of it", "the tokens=100 of it"],
  ["p:1:0@v2", "p:1:0@v2"],
])("%s is written down as %s", (text, wanted) => {
  expect(redactText(text, [])).toBe(wanted);
});

test("a value keeps its shape: texts in it lose secrets, and so do names that call one", () => {
  const value = { a: ["uses S3CRET", 1, null, Number.NaN], b: { password: "x", token: 5, pad_token: "<pad>" }, c: undefined };
  expect(redactValue(value, ["S3CRET"])).toEqual({
    a: ["uses [redacted]", 1, null, Number.NaN],
    b: { password: "[redacted]", token: "[redacted]", pad_token: "<pad>" },
    c: undefined,
  });
});
