import { expect, test } from "bun:test";
import { artifactRef } from "../../src/domain/artifact-ref.ts";

test("an artifact is called by its name and version, else by its id", () => {
  expect(artifactRef({ id: "0192/model.bin", name: "model", version: 3 })).toBe("model@v3");
  expect(artifactRef({ id: "0192/model.bin", name: null, version: 3 })).toBe("0192/model.bin");
});
