import { expect, test } from "bun:test";
import { trackingTarget } from "../../src/domain/tracking-target.ts";

test.each([
  ["http://host:5000", "http://host:5000"],
  [" HTTP://HOST:5000/ ", "http://host:5000"],
  ["http://host:80", "http://host"],
  ["https://host:443//", "https://host"],
  ["http://127.1:5000", "http://127.0.0.1:5000"],
  ["http://host:5000/mlflow/?a=b", "http://host:5000/mlflow"],
  ["http://host:5000#a", "http://host:5000"],
  ["http://host/a/../Prefix/", "http://host/Prefix"],
  ["http://user:pw@host:5000/x", "http://host:5000/x"],
  ["http://user:pa/ss@host/x", "http://host/x"],
  ["http://[::1]:5000/", "http://[::1]:5000"],
  ["localhost:5000/", "localhost:5000"],
  ["", ""],
])("the server of “%s” is called “%s”", (uri, target) => {
  expect(trackingTarget(uri)).toBe(target);
});
