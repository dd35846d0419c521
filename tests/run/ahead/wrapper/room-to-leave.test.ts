import { expect, test } from "bun:test";
import { roomToLeave } from "../../../../src/run/ahead/wrapper/room-to-leave.ts";

const GIB = 2 ** 30;
const disk = (bytes: number) => ({ blocks: bytes / 4096, bsize: 4096 });

test("copies leave a tenth of a disk, 10 GiB of a large one, and as much as the run has written", () => {
  expect(roomToLeave(disk(50 * GIB), 0)).toBe(5 * GIB);
  expect(roomToLeave(disk(2000 * GIB), 0)).toBe(10 * GIB);
  expect(roomToLeave(disk(2000 * GIB), 30 * GIB)).toBe(30 * GIB);
  expect(roomToLeave(disk(50 * GIB), GIB)).toBe(5 * GIB);
});
