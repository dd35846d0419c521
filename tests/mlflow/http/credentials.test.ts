import { expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { findAuthorization } from "../../../src/mlflow/http/credentials.ts";
import type { CofferError } from "../../../src/domain/error.ts";
import { temporaryRoot } from "../../support/temporary-root.ts";

// which of them comes first is compared with MLflow's own client: official-client.test.ts

const nobody = (env: Record<string, string>) => findAuthorization("http://h", { HOME: "/nonexistent", ...env });

test("a way of signing that coffer does not know is refused, not left out", () => {
  for (const env of [{ MLFLOW_TRACKING_AWS_SIGV4: "true" }, { MLFLOW_TRACKING_AUTH: "kubernetes" }] as Record<string, string>[])
    expect(() => nobody(env)).toThrow(Object.keys(env)[0] as string);
  expect(nobody({ MLFLOW_TRACKING_AWS_SIGV4: "false", MLFLOW_TRACKING_AUTH: "" }).header).toBeUndefined();
});

test("every spelling of a password is a secret", () => {
  expect(findAuthorization("http://u%40x:p%3Aw@h", { HOME: "/nonexistent" }).secrets).toEqual([
    Buffer.from("u@x:p:w").toString("base64"),
    "p:w",
    "p%3Aw",
  ]);
  expect(nobody({ MLFLOW_TRACKING_TOKEN: "tok" }).secrets).toEqual(["tok"]);
});

test("a credentials file that is a directory is an error, not an absence", () => {
  using home = temporaryRoot();
  mkdirSync(home.at(".mlflow/credentials"), { recursive: true });
  expect(() => nobody({ HOME: home.path })).toThrow(/cannot read MLflow's credentials file/);
});

test("a credentials file that is malformed is named with its line, and nothing of what it holds is repeated", () => {
  using home = temporaryRoot();
  mkdirSync(home.at(".mlflow"));
  for (const [text, words] of [
    ["[mlflow]\nmlflow_tracking_username = f\nhunter2\n", "line 3 is no `key = value`"],
    ["mlflow_tracking_password = hunter2\n", "line 1 is before the first section"],
    ["[mlflow]\nmlflow_tracking_password = hunter2%\n", "“%%”"],
    ["[mlflow]\np = hunter2\nP = hunter2\n", "line 3 names a key"],
    ["[mlflow]\n[mlflow]\n", "line 2 begins a section"],
    ["[mlflow]\na = hunter2%(a)s\n", "“%%”"],
  ] as const) {
    writeFileSync(home.at(".mlflow/credentials"), text);
    const error = (() => {
      try {
        return nobody({ HOME: home.path });
      } catch (thrown) {
        return thrown as CofferError;
      }
    })();
    expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining(words) });
    expect(Bun.inspect(error)).not.toContain("hunter2");
  }
});

test("values that name one another without an end are refused", () => {
  using home = temporaryRoot();
  mkdirSync(home.at(".mlflow"));
  const values = Array.from({ length: 9 }, (_, nth) => `k${nth} = ${`%(k${nth + 1})s`.repeat(20)}`).join("\n");
  writeFileSync(home.at(".mlflow/credentials"), `[mlflow]\n${values}\nk9 =\n`);
  expect(() => findAuthorization("http://h", { HOME: home.path })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
});
