import { expect, test } from "bun:test";
import { closeSync, openSync, readFileSync } from "node:fs";
import { WriteBehind } from "../../src/blobs/write-behind.ts";
import { mountSmall, needsMount } from "../support/mount.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

test("what is filled faster than it is written comes in its order, with what is written at once between", async () => {
  using root = temporaryRoot();
  const fd = openSync(root.at("f"), "wx");
  const file = new WriteBehind(fd);
  const expected: Buffer[] = [];
  for (let nth = 0; nth < 40; nth++) {
    const segment = file.take();
    const length = WriteBehind.SEGMENT - nth * 512;
    segment.fill(nth, 0, length);
    expected.push(Buffer.alloc(length, nth));
    file.write(segment, length);
    if (nth % 7 !== 0) continue;
    file.writeNow(Buffer.from("between"));
    expected.push(Buffer.from("between"));
    await Bun.sleep(1);
  }
  await file.done();
  closeSync(fd);
  expect(file.position).toBe(Buffer.concat(expected).length);
  expect(readFileSync(root.at("f")).equals(Buffer.concat(expected))).toBe(true);
});

needsMount(test)("a write that fails is told by every call after it, and the descriptor is free when it has settled", async () => {
  using root = temporaryRoot();
  using _small = mountSmall(root.at("small"), "4m");
  const fd = openSync(root.at("small/f"), "wx");
  const file = new WriteBehind(fd);
  const fill = async (): Promise<void> => {
    for (let nth = 0; nth < 20; nth++) {
      file.write(file.take(), WriteBehind.SEGMENT);
      await Bun.sleep(1);
    }
  };
  await expect(fill()).rejects.toMatchObject({ code: "ENOSPC" });
  expect(() => file.take()).toThrow("ENOSPC");
  expect(() => file.writeNow(Buffer.alloc(1))).toThrow("ENOSPC");
  await expect(file.done()).rejects.toMatchObject({ code: "ENOSPC" });
  await file.settled();
  closeSync(fd);
});
