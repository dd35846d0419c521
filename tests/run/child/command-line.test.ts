import { expect, test } from "bun:test";
import { recordedCommand } from "../../../src/run/child/command-line.ts";

const HIDDEN: [words: string[], recorded: string[]][] = [
  [
    ["train", "--token", "abc"],
    ["train", "--token", "[redacted]"],
  ],
  [
    ["train", "--hf-token=abc", "-v"],
    ["train", "--hf-token=[redacted]", "-v"],
  ],
  [
    ["train", "--password", "--verbose"],
    ["train", "--password", "--verbose"],
  ],
  [
    ["train", "wandb.api_key=abc", "++model.lr=1"],
    ["train", "wandb.api_key=[redacted]", "++model.lr=1"],
  ],
  [
    ["env", "HF_TOKEN=abc", "python"],
    ["env", "HF_TOKEN=[redacted]", "python"],
  ],
  [
    ["curl", "-H", "Authorization: Bearer abc", "https://me:pw@host/x?token=abc&n=1"],
    ["curl", "-H", "Authorization: [redacted]", "https://host/x?token=…&n=1"],
  ],
  [
    ["sh", "-c", "curl --token 'a b' -H 'Authorization: Bearer xyz' https://u:p@h/; SECRET_KEY=abc run --lr 1"],
    ["sh", "-c", "curl --token [redacted] -H 'Authorization: [redacted]' https://h/; SECRET_KEY=[redacted] run --lr 1"],
  ],
  [
    ["fit", "db_password", "=", "x", "--token", "=", "y", "api_key", "=z", "lr", "=", "0.1"],
    ["fit", "db_password", "=", "[redacted]", "--token", "=", "[redacted]", "api_key", "[redacted]", "lr", "=", "0.1"],
  ],
  [
    ["python", "-c", "db_password = 'a b'; lr = 1; assert token == x"],
    ["python", "-c", "db_password = [redacted]; lr = 1; assert token == x"],
  ],
  [
    ["push", "hf_abcdefghijklmnopqrstuv", "AKIAABCDEFGHIJKLMNOP"],
    ["push", "[redacted]", "[redacted]"],
  ],
  [
    ["curl", "-u", "me:hunter2", "--user=me:hunter2", "--pass", "x", "--ssh-key", "y", "--wandbKey", "z"],
    ["curl", "-u", "me:[redacted]", "--user=me:[redacted]", "--pass", "[redacted]", "--ssh-key", "[redacted]", "--wandbKey", "[redacted]"],
  ],
  [
    ["sh", "-c", "curl -u 'admin:hunter2' h && load 'Server=h;Pwd=hunter2;' https://hooks.slack.com/services/T00000000/B00000000/xyz"],
    ["sh", "-c", "curl -u 'admin:[redacted]' h && load 'Server=h;Pwd=…;' https://hooks.slack.com/services/[redacted]"],
  ],
];

test.each(HIDDEN)("secrets are taken out of %j", (words, recorded) => {
  expect(recordedCommand(words, {})).toEqual(recorded);
});

const KEPT = [
  ["python", "train.py", "--tokenizer", "bert", "--max-tokens", "100", "--pad-token", "<pad>", "--key", "x", "--lr=1e-3", "a@b.c"],
  ["python3", "-m", "x", "--seed", "1"],
  ["docker", "run", "-u", "1000:1000", "--multi-pass", "2", "--user", "me", "--passes", "3"],
];

test.each(KEPT.map((words) => [words]))("what is no secret stays: %j", (words) => {
  expect(recordedCommand(words, { SESSION_TOKEN: "1" })).toEqual(words);
});

test("a secret that the environment holds is found in any argument", () => {
  const env = {
    MLFLOW_TRACKING_PASSWORD: "hunter22",
    MLFLOW_TRACKING_URI: "https://ml.example",
    DATABASE_URL: "postgres://me:dbpass9@db/x",
    HOME: "/home/me",
  };
  expect(recordedCommand(["run", "x=hunter22y", "dbpass9", "https://ml.example", "/home/me"], env)).toEqual([
    "run",
    "x=[redacted]y",
    "[redacted]",
    "https://ml.example",
    "/home/me",
  ]);
});
