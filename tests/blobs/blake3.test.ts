import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { loadBlake3, loadWasm } from "../../src/blobs/blake3.ts";
import type { Blake3 } from "../../src/blobs/blake3.ts";

/** From the test vectors of BLAKE3's authors: the input is 0, 1, …, 250, 0, 1, … */
const VECTORS = [
  [0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"],
  [1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"],
  [1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11"],
  [1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"],
  [1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"],
  [102_400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"],
] as const;

const input = (length: number) => Uint8Array.from({ length }, (_, index) => index % 251);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const both: [string, () => Promise<Blake3>][] = [
  ["native", loadBlake3],
  ["wasm", () => loadWasm("the test asked for it")],
];

test.each(both)("%s gives the digests that BLAKE3's authors give", async (backend, load) => {
  const blake3 = await load();
  expect(blake3.backend).toBe(backend as Blake3["backend"]);
  for (const [length, digest] of VECTORS) {
    expect(hex(blake3.hash(input(length)))).toBe(digest);
    const hasher = blake3.hasher();
    for (let at = 0; at < length; at += 777) hasher.update(input(length).subarray(at, at + 777));
    expect(hex(hasher.digest())).toBe(digest);
  }
});

test("both agree on any bytes, in whatever pieces, with many streams open and some of them abandoned", async () => {
  const [native, wasm] = [await loadBlake3(), await loadWasm("")];
  fc.assert(
    fc.property(fc.array(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 5 }), { maxLength: 20 }), (streams) => {
      const open = streams.map((pieces) => ({ pieces, a: native.hasher(), b: wasm.hasher() }));
      for (let turn = 0; turn < 5; turn++)
        for (const { pieces, a, b } of open) {
          if (!pieces[turn]) continue;
          a.update(pieces[turn] as Uint8Array);
          b.update(pieces[turn] as Uint8Array);
        }
      for (const { pieces, a, b } of open.slice(1)) {
        const digest = hex(a.digest());
        expect(hex(b.digest())).toBe(digest);
        expect(hex(wasm.hash(Buffer.concat(pieces)))).toBe(digest);
      }
    }),
    { numRuns: 30 },
  );
});
