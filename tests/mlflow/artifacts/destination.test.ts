import { expect, test } from "bun:test";
import { connect } from "../../../src/mlflow/http/connection.ts";
import { destinationOf, directoryOn } from "../../../src/mlflow/artifacts/destination.ts";
import type { Destination, OnDisk } from "../../../src/mlflow/artifacts/destination.ts";

const connection = connect({ uri: "https://u:p@host/ml/", env: { HOME: "/nonexistent" } });
const route = "/api/2.0/mlflow-artifacts/artifacts";

const known: [uri: string, destination: Destination][] = [
  [
    "mlflow-artifacts:/0/abc/artifacts",
    { kind: "proxied", url: `https://host/ml${route}/0/abc/artifacts`, path: "0/abc/artifacts", base: "https://host/ml" },
  ],
  [
    "mlflow-artifacts:///my dir/abc/artifacts/",
    { kind: "proxied", url: `https://host/ml${route}/my%20dir/abc/artifacts`, path: "my dir/abc/artifacts", base: "https://host/ml" },
  ],
  ["mlflow-artifacts://host/0/abc", { kind: "proxied", url: `https://host${route}/0/abc`, path: "0/abc", base: "https://host" }],
  [`https://HOST:443/x${route}/0/abc`, { kind: "proxied", url: `https://host/x${route}/0/abc`, path: "0/abc", base: "https://host/x" }],
  [`https://u:p@host${route}/0/abc`, { kind: "proxied", url: `https://host${route}/0/abc`, path: "0/abc", base: "https://host" }],
  ["/shared/artifacts/0/abc/artifacts", { kind: "local", directory: "/shared/artifacts/0/abc/artifacts" }],
  ["file:///shared/with%20blank/", { kind: "local", directory: "/shared/with blank" }],
  ["file:/shared", { kind: "local", directory: "/shared" }],
  ["s3://bucket/a b/%20/1/", { kind: "s3", bucket: "bucket", prefix: "a b/%20/1", uri: "s3://bucket/a b/%20/1/" }],
  ["s3://bucket", { kind: "s3", bucket: "bucket", prefix: "", uri: "s3://bucket" }],
  ["gs://bucket/key", { kind: "foreign", scheme: "gs", uri: "gs://bucket/key" }],
  ["wasbs://box@account.blob.core.windows.net/x", { kind: "foreign", scheme: "wasbs", uri: "wasbs://box@account.blob.core.windows.net/x" }],
  ["dbfs:/x", { kind: "foreign", scheme: "dbfs", uri: "dbfs:/x" }],
  ["ftp://eve:hunter2@host/x", { kind: "foreign", scheme: "ftp", uri: "ftp://host/x" }],
];
for (const [uri, destination] of known) test(`artifacts at ${uri}`, () => expect(destinationOf(connection, uri)).toEqual(destination));

for (const [uri, hint] of [
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
  expect(() => destinationOf(connection, "https://eve:hunter2@other/x")).toThrow(/keeps this run's artifacts at https:\/\/other\/x,/);
});

test("the disk of a proxied server holds a run at the same path; a local place is its own", () => {
  const directory = (uri: string): string => directoryOn("/srv/art", destinationOf(connection, uri) as OnDisk);
  expect(directory("mlflow-artifacts:/0/abc/artifacts")).toBe("/srv/art/0/abc/artifacts");
  expect(directory("mlflow-artifacts:/../../etc")).toBe("/srv/art/etc");
  expect(directory("/shared/0")).toBe("/shared/0");
});
