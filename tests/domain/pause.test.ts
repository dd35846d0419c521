import { expect, test } from "bun:test";
import { Interrupted, pauseUntil, pausing } from "../../src/domain/pause.ts";

test("a signal is heard between the steps of long work, and ends it", async () => {
  let heard = false;
  let steps = 0;
  const listener = (): void => void (heard = true);
  process.once("SIGUSR2", listener);
  function* work(): Generator<void, string> {
    process.kill(process.pid, "SIGUSR2");
    // it ends where nobody is heard
    for (; steps < 100; steps++) {
      Bun.sleepSync(10);
      yield;
    }
    return "done";
  }
  expect(
    await pausing(
      work(),
      pauseUntil(() => heard),
    ).catch((error: unknown) => error),
  ).toBeInstanceOf(Interrupted);
  expect(steps).toBeLessThan(100);
  process.off("SIGUSR2", listener);
});
