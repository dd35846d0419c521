import { expect, test } from "bun:test";
import { hintFor, mayPass, readFailure } from "../../../src/mlflow/http/refusal.ts";
import type { Circumstances } from "../../../src/mlflow/http/refusal.ts";

const json = (errorCode: string): string => JSON.stringify({ error_code: errorCode, message: "words" });

const table: [what: string, status: number, body: string, onArtifacts: boolean, transient: boolean, hint: RegExp, given?: Circumstances][] =
  [
    ["a gateway without its server", 502, "<html>Bad Gateway</html>", false, true, /log/],
    ["too many requests", 429, "", false, true, /later/],
    ["a time limit", 408, "", false, true, /./],
    ["MLflow's own fault", 500, json("INTERNAL_ERROR"), false, true, /log/],
    ["a header for workspaces at a server without them", 500, json("FEATURE_DISABLED"), false, false, /MLFLOW_WORKSPACE/],
    ["a wrong value reported as 500", 500, json("INVALID_PARAMETER_VALUE"), false, false, /./],
    ["artifacts off", 503, '{"detail":"Artifact serving is disabled."}', true, false, /--no-serve-artifacts/],
    ["an overloaded server that is asked for a run", 503, '{"detail":"busy"}', false, true, /log/],
    ["a proxy that has no server for an upload at the moment", 503, "Service Unavailable", true, true, /--no-serve-artifacts/],
    ["no login", 401, "You are not authenticated", false, false, /MLFLOW_TRACKING_USERNAME/],
    ["a wrong login", 401, "", false, false, /does not accept user “eve” of here: correct/, { who: "user “eve” of here" }],
    ["a proxy that wants a login", 407, "", false, false, /USER:PASSWORD@/, { proxy: "http://proxy:3128" }],
    [
      "a page that a proxy shows",
      403,
      "<html>blocked</html>",
      false,
      false,
      /http:\/\/proxy:3128 .*NO_PROXY/,
      { proxy: "http://proxy:3128" },
    ],
    [
      "MLflow's own word behind a proxy",
      403,
      json("PERMISSION_DENIED"),
      false,
      false,
      /^eve may not/,
      { proxy: "http://proxy:3128", who: "eve" },
    ],
    ["http to a port of https", 400, "<title>400 The plain HTTP request was sent to HTTPS port</title>", false, false, /begins with https/],
    [
      "a lack of a certificate",
      400,
      "<title>400 No required SSL certificate was sent</title>",
      false,
      false,
      /MLFLOW_TRACKING_CLIENT_CERT_PATH/,
      { https: true },
    ],
    ["no permission, with 503 in its words", 403, "503 429 Permission denied", false, false, /permission/],
    ["the Host check", 403, "Invalid Host header - possible DNS rebinding attack detected", false, false, /--allowed-hosts/],
    ["a path prefix that is not MLflow's", 404, "<html>nothing here</html>", false, false, /prefix/],
    ["a run that is not there", 404, json("RESOURCE_DOES_NOT_EXIST"), false, false, /words/],
    ["a body too large for a proxy", 413, "<html></html>", true, false, /client_max_body_size/],
    ["a redirect", 301, "", false, false, /https:\/\/new/],
  ];

for (const [what, status, body, onArtifacts, transient, hint, given] of table)
  test(`${what} is ${transient ? "tried again" : "final"} and says what to do`, () => {
    const failure = readFailure(status, body);
    expect(mayPass(failure, onArtifacts)).toBe(transient);
    expect(hintFor(failure, { onArtifacts, location: status === 301 ? "https://new" : null, ...given })).toMatch(hint);
  });

test("the body of a failure is read in each shape that servers give it", () => {
  expect(readFailure(404, json("X"))).toEqual({ status: 404, errorCode: "X", detail: false, words: "words" });
  expect(readFailure(422, '{"detail":"d"}')).toEqual({ status: 422, errorCode: undefined, detail: true, words: "d" });
  expect(readFailure(404, "  <!doctype html>\n<h1>x</h1>").words).toBe("");
  expect(readFailure(502, "<html><head><title>502 Bad\nGateway</title>").words).toBe("Bad Gateway");
  expect(readFailure(500, "a\n b").words).toBe("a b");
  expect(readFailure(500, "[1]").words).toBe("[1]");
  expect(readFailure(500, "x".repeat(5000)).words.length).toBe(301);
});
