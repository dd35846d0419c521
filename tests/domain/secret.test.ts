import { expect, test } from "bun:test";
import { displayRemote, displayUrl, isSecretName } from "../../src/domain/secret.ts";

test.each([
  ["http://user:pw@host:5000/a", "http://host:5000/a"],
  ["https://token@host", "https://host"],
  ["https://a@b@host/", "https://host/"],
  ["see https://u:p@h/x and ftp://u:p@g", "see https://h/x and ftp://g"],
  ["http://user:pa/ss@host/x", "http://host/x"],
  ["user:pw@host:5000", "host:5000"],
  ["http://host/?token=abc&page=2&X-Amz-Signature=f00", "http://host/?token=…&page=2&X-Amz-Signature=…"],
  ["https://host:8080/@scope/pkg", "https://host:8080/@scope/pkg"],
  ["http://[::1]:5000/a@b", "http://[::1]:5000/a@b"],
  ["git@github.com:org/repo.git", "git@github.com:org/repo.git"],
  ["https:\\\\u:pw@h/x", "https:\\\\h/x"],
  ["https://h/x#access_token=abc", "https://h/x#access_token=…"],
  ["https://u:p'w@h/x https://u:p<w@h", "https://h/x https://h"],
  ["['http://h:80','a@b']", "['http://h:80','a@b']"],
  ["./artifacts", "./artifacts"],
  ["", ""],
])("%s is shown as %s", (text, wanted) => {
  expect(displayUrl(text)).toBe(wanted);
});

test.each([
  ["https://u:p w'<\">@h/x", "https://h/x"],
  ["https:\\\\u:pw@h\\x", "https:\\\\h\\x"],
  ["https://h/x#access_token=abc", "https://h/x#access_token=…"],
  ["user:pw@host:path", "host:path"],
  ["user:p@ w@host:path", "host:path"],
  ["git@github.com:org/repo.git", "github.com:org/repo.git"],
  ["https://host:8080/@scope/pkg", "https://host:8080/@scope/pkg"],
  ["../elsewhere/a@b", "../elsewhere/a@b"],
])("the remote %s is shown as %s", (url, wanted) => {
  expect(displayRemote(url)).toBe(wanted);
});

test("names of secrets are known by whole words", () => {
  for (const name of [
    "token",
    "MLFLOW_TRACKING_TOKEN",
    "--api-key",
    "apiKey",
    "AWS_SECRET_ACCESS_KEY",
    "password",
    "db_passwd",
    "clientSecret",
  ])
    expect(isSecretName(name), name).toBe(true);
  for (const name of ["tokenizer", "max_tokenizers", "monkey", "key", "secretary", "lr"]) expect(isSecretName(name), name).toBe(false);
});

test("the working directory is no secret, and neither are a model's own words", () => {
  for (const name of ["PWD", "OLDPWD", "SSH_AUTH_SOCK", "passes", "multi_pass", "author", "tokenizer"])
    expect([name, isSecretName(name)]).toEqual([name, false]);
  for (const name of ["PGPASSWORD", "pwd", "db_password", "MY_API_TOKEN", "accesstoken"])
    expect([name, isSecretName(name)]).toEqual([name, true]);
});
