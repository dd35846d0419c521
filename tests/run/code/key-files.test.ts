import { expect, test } from "bun:test";
import { isKeyFile } from "../../../src/run/code/key-files.ts";

test.each([
  ...[
    ".env",
    "a/.env",
    ".env.production",
    "prod.env",
    ".envrc",
    "x.pem",
    "X.KEY",
    "id_rsa",
    "id_ed25519-work",
    ".netrc",
    ".npmrc",
    ".git-credentials",
    "credentials.json",
    "aws_credentials",
  ],
  ...[
    "gcp-service-account-1.json",
    "client_secret_9.json",
    "secrets.yaml",
    "db-secret.json",
    "hf.token",
    "token.txt",
    "terraform.tfvars",
    ".ssh/config",
    "home/.aws/config",
  ],
])("%s is a key file", (path) => {
  expect(isKeyFile(path)).toBe(true);
});

test.each([
  "train.py",
  ".env.example",
  "id_rsa.pub",
  "keys.py",
  "tokenizer.json",
  "tokenizer_config.json",
  "monkey.txt",
  "environment.yaml",
  "credentials/readme.md",
  "secretary.py",
  "key.txt",
])("%s is not", (path) => {
  expect(isKeyFile(path)).toBe(false);
});
