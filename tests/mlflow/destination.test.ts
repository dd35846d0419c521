import { expect, test } from "bun:test";
import { connect } from "../../src/mlflow/connection.ts";
import { destinationOf, directoryOn } from "../../src/mlflow/destination.ts";
import type { Destination } from "../../src/mlflow/destination.ts";

const connection = connect({ uri: "https://u:p@host/ml/", env: { HOME: "/nonexistent" } });
const route = "/api/2.0/mlflow-artifacts/artifacts";

const known: [uri: string, destination: Destination][] = [
  ["mlflow-artifacts:/0/abc/artifacts", { kind: "proxied", url: `https://host/ml${route}/0/abc/artifacts`, path: "0/abc/artifacts" }],
  [
    "mlflow-artifacts:///my dir/abc/artifacts/",
    { kind: "proxied", url: `https://host/ml${route}/my%20dir/abc/artifacts`, path: "my dir/abc/artifacts" },
  ],
  ["mlflow-artifacts://host/0/abc", { kind: "proxied", url: `https://host${route}/0/abc`, path: "0/abc" }],
  [`https://HOST:443/x${route}/0/abc`, { kind: "proxied", url: `https://host/x${route}/0/abc`, path: "0/abc" }],
  [`https://u:p@host${route}/0/abc`, { kind: "proxied", url: `https://host${route}/0/abc`, path: "0/abc" }],
  ["/shared/artifacts/0/abc/artifacts", { kind: "local", directory: "/shared/artifacts/0/abc/artifacts" }],
  ["file:///shared/with%20blank/", { kind: "local", directory: "/shared/with blank" }],
  ["file:/shared", { kind: "local", directory: "/shared" }],
];
for (const [uri, destination] of known) test(`artifacts at ${uri}`, () => expect(destinationOf(connection, uri)).toEqual(destination));

for (const [uri, hint] of [
  ["s3://bucket/key", /--artifacts-destination/],
  ["gs://bucket/key", /--artifacts-destination/],
  ["dbfs:/x", /--artifacts-destination/],
  ["https://elsewhere/x", /--artifacts-destination/],
  ["./mlruns/0/abc", /absolute/],
  ["file://nas/x", /path of this machine/],
  ["", /absolute/],
  ["mlflow-artifacts://other:8080/0/abc", /own address only/],
  ["mlflow-artifacts://host:8080/0/abc", /own address only/],
  ["mlflow-artifacts://host@other/0/abc", /own address only/],
  ["mlflow-artifacts://not a host/0/abc", /own address only/],
  [`https://other/x${route}/0/abc`, /own address only/],
  [`http://host${route}/0/abc`, /own address only/],
] as const)
  test(`artifacts at ${uri === "" ? "no place" : uri} are refused with what to do`, () => {
    expect(() => destinationOf(connection, uri)).toThrow(
      expect.objectContaining({ code: "SERVER_REFUSED", hint: expect.stringMatching(hint) }),
    );
  });

test("a user part in a place that is refused is not shown", () => {
  expect(() => destinationOf(connection, "ftp://eve:hunter2@host/x")).toThrow(/keeps this run's artifacts at ftp:\/\/host\/x,/);
});

test("the disk of a proxied server holds a run at the same path; a local place is its own", () => {
  expect(directoryOn("/srv/art", destinationOf(connection, "mlflow-artifacts:/0/abc/artifacts"))).toBe("/srv/art/0/abc/artifacts");
  expect(directoryOn("/srv/art", destinationOf(connection, "mlflow-artifacts:/../../etc"))).toBe("/srv/art/etc");
  expect(directoryOn("/srv/art", destinationOf(connection, "/shared/0"))).toBe("/shared/0");
});
