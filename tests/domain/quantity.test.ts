import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { formatBytes, formatDuration, parseBytes, parseDuration } from "../../src/domain/quantity.ts";

test.each([
  ["0", 0],
  ["4096", 4096],
  ["1KB", 1000],
  ["1 KiB", 1024],
  ["1k", 1000],
  ["50GB", 50e9],
  ["1.5 GiB", 1.5 * 1024 ** 3],
  ["2TiB", 2 * 1024 ** 4],
  [" 10mb ", 10e6],
  ["0.5b", 1],
])("%s is %d bytes", (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes);
});

test.each(["", "GB", "-1", "+1", "1e3", "1,5GB", "1.GB", ".5GB", "1 XB", "1GBs", "0x10", "NaN", "1 2", "1constructor"])(
  "“%s” is no size",
  (text) => {
    expect(() => parseBytes(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }));
  },
);

test.each([
  ["0", 0],
  ["0s", 0],
  ["250ms", 250],
  ["30s", 30_000],
  ["1.5h", 5_400_000],
  ["90d", 90 * 86_400_000],
  ["2w", 14 * 86_400_000],
  [" 15 m ", 900_000],
])("%s is %d milliseconds", (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test.each(["", "5", "-1s", "1H", "1y", "1e3s", "1h30m", "s"])("“%s” is no duration", (text) => {
  expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }));
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [1536, "1.5 KiB"],
  [102_400, "100 KiB"],
  [1_048_575, "1.0 MiB"],
  [1_048_576, "1.0 MiB"],
  [5 * 1024 ** 5, "5.0 PiB"],
  [5000 * 1024 ** 5, "5000 PiB"],
])("%d bytes are written %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test("a size that is written is read back within what its digits show", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 50 - 1 }), (bytes) => {
      const back = parseBytes(formatBytes(bytes));
      expect(Math.abs(back - bytes)).toBeLessThanOrEqual(Math.max(1, bytes * 0.05));
      if (bytes < 1024) expect(back).toBe(bytes);
    }),
  );
});

test.each([
  [0, "0 ms"],
  [320, "320 ms"],
  [999.7, "1.0 s"],
  [1400, "1.4 s"],
  [59_949, "59.9 s"],
  [59_990, "1 m 0 s"],
  [60_000, "1 m 0 s"],
  [200_000, "3 m 20 s"],
  [7_500_000, "2 h 5 m"],
  [273_600_000, "3 d 4 h"],
])("%d milliseconds are written %s", (milliseconds, text) => {
  expect(formatDuration(milliseconds)).toBe(text);
});

test("a time that no number holds is no duration", () => {
  for (const text of [`${"9".repeat(400)}ms`, "99999999999999999w"])
    expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: "VALUE_INVALID" }));
});
