import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { findAuthorization, parseCredentials } from "../../src/mlflow/credentials.ts";
import { temporaryRoot } from "../support/temporary-root.ts";

const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString("base64")}`;
const user = { MLFLOW_TRACKING_USERNAME: "eve", MLFLOW_TRACKING_PASSWORD: "env-word" };
const token = { MLFLOW_TRACKING_TOKEN: "tok" };

const cases: [what: string, uri: string, env: Record<string, string>, file: string | undefined, header: string | undefined][] = [
  ["nothing at all", "http://h", {}, undefined, undefined],
  ["the URL comes before the environment", "http://u%40x:p%3Aw@h", { ...user, ...token }, "[mlflow]\n", basic("u@x:p:w")],
  ["a user in the URL without a password counts as none", "http://u@h", token, undefined, "Bearer tok"],
  ["user and password come before the token", "http://h", { ...user, ...token }, undefined, basic("eve:env-word")],
  ["the token, where there is only a user", "http://h", { MLFLOW_TRACKING_USERNAME: "eve", ...token }, undefined, "Bearer tok"],
  ["the file", "http://h", {}, "[mlflow]\nmlflow_tracking_username = fred\nmlflow_tracking_password = a%%b\n", basic("fred:a%b")],
  [
    "the environment's user with the file's password",
    "http://h",
    { MLFLOW_TRACKING_USERNAME: "eve" },
    "[mlflow]\nMLFLOW_TRACKING_USERNAME: fred\nMLFLOW_TRACKING_PASSWORD: p\n",
    basic("eve:p"),
  ],
  [
    "the file comes before the token",
    "http://h",
    token,
    "[mlflow]\nmlflow_tracking_username=f\nmlflow_tracking_password=p\n",
    basic("f:p"),
  ],
  [
    "an empty variable is none",
    "http://h",
    { MLFLOW_TRACKING_USERNAME: "", MLFLOW_TRACKING_PASSWORD: "", ...token },
    undefined,
    "Bearer tok",
  ],
  ["another section is not ours", "http://h", {}, "[other]\nmlflow_tracking_username=f\nmlflow_tracking_password=p\n", undefined],
];

for (const [what, uri, env, file, header] of cases)
  test(`who we are: ${what}`, () => {
    using home = temporaryRoot();
    mkdirSync(home.at(".mlflow"));
    if (file !== undefined) writeFileSync(home.at(".mlflow/credentials"), file);
    expect(findAuthorization(new URL(uri), { HOME: home.path, ...env }).header).toBe(header as string);
  });

test("a way of signing that coffer does not know is refused, not left out", () => {
  expect(() => findAuthorization(new URL("http://h"), { HOME: "/nonexistent", MLFLOW_TRACKING_AWS_SIGV4: "true" })).toThrow(
    /MLFLOW_TRACKING_AWS_SIGV4/,
  );
  expect(findAuthorization(new URL("http://h"), { HOME: "/nonexistent", MLFLOW_TRACKING_AWS_SIGV4: "false" }).header).toBeUndefined();
});

test("a credentials file that is a directory is an error, not an absence", () => {
  using home = temporaryRoot();
  mkdirSync(home.at(".mlflow/credentials"), { recursive: true });
  chmodSync(home.at(".mlflow/credentials"), 0o700);
  expect(() => findAuthorization(new URL("http://h"), { HOME: home.path })).toThrow(/cannot read MLflow's credentials file/);
});

test("the INI file is read as Python reads it", () => {
  expect(
    parseCredentials("\uFEFF# c\n[DEFAULT]\nMLflow_Tracking_Username : d\n; c\n[mlflow]\r\nmlflow_tracking_password=a=b:c \r\n"),
  ).toEqual({
    mlflow_tracking_username: "d",
    mlflow_tracking_password: "a=b:c",
  });
});
