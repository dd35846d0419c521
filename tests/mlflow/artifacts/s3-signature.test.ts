import { expect, test } from "bun:test";
import { readS3Settings } from "../../../src/mlflow/artifacts/s3-settings.ts";
import { baseOf } from "../../../src/mlflow/artifacts/s3-object.ts";
import { encodeForS3, signS3 } from "../../../src/mlflow/artifacts/s3-signature.ts";
import { motoPython } from "../../../scripts/mlflow/moto.ts";
import { needsMoto } from "../../support/object-store.ts";

/** Of Amazon's reference, “Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk”. */
const credentials = {
  accessKeyId: "AKIAIOSFODNN7EXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  sessionToken: undefined,
};
const at = Date.UTC(2013, 4, 24);

const examples: [query: string, signature: string][] = [
  ["?lifecycle=", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"],
  ["?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"],
];
for (const [query, signature] of examples)
  test(`the signature of GET ${query} is the one of Amazon's reference`, () => {
    const url = new URL(`https://examplebucket.s3.amazonaws.com/${query}`);
    expect(signS3({ method: "GET", url, headers: {}, body: "" }, credentials, "us-east-1", at)["authorization"]).toBe(
      `AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=${signature}`,
    );
  });

/** botocore signs the same requests. */
const BOTOCORE = `
import json, sys
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
keys = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "token/+==")
auth = S3SigV4Auth(keys, "s3", "eu-west-3")
auth.payload = lambda request: "UNSIGNED-PAYLOAD"
signed = []
for one in json.load(sys.stdin):
    request = AWSRequest(**one)
    auth.add_auth(request)
    signed.append([request.headers["X-Amz-Date"], request.headers["Authorization"]])
json.dump(signed, sys.stdout)
`;

needsMoto(test)("odd keys, queries and headers are signed as botocore signs them", async () => {
  const keys = [
    "plain.txt",
    "a b/ü é.bin",
    "x+y=z&w",
    "it's (a) *star*!",
    "100%",
    "%41",
    "colon:at@semi;comma,",
    "~tilde-_.",
    "日本/語",
    "a//b",
    "$",
  ];
  const requests = keys.map((key, index) => ({
    method: "PUT",
    url: `http://127.0.0.1:9000/bucket/${key.split("/").map(encodeForS3).join("/")}?partNumber=${index}&uploadId=${encodeForS3("a+b/c==_.-")}`,
    headers: { "content-type": "text/plain", "x-amz-tagging": "a=b  c" },
  }));
  const child = Bun.spawn([motoPython() as string, "-c", BOTOCORE], { stdin: Buffer.from(JSON.stringify(requests)), stderr: "inherit" });
  const theirs = (await child.stdout.json()) as [date: string, authorization: string][];
  const token = { ...credentials, sessionToken: "token/+==" };
  const ours = requests.map(({ method, url, headers }, index) => {
    const date = theirs[index]?.[0] as string;
    const time = Date.parse(date.replace(/^(....)(..)(..T..)(..)(..)/, "$1-$2-$3:$4:$5"));
    return [date, signS3({ method, url: new URL(url), headers }, token, "eu-west-3", time)["authorization"]];
  });
  expect(theirs).toHaveLength(keys.length);
  expect(ours).toEqual(theirs);
});

const bases: [bucket: string, env: Record<string, string>, base: string][] = [
  ["data", {}, "https://data.s3.us-east-1.amazonaws.com"],
  ["data", { AWS_DEFAULT_REGION: "eu-west-3" }, "https://data.s3.eu-west-3.amazonaws.com"],
  ["data", { AWS_DEFAULT_REGION: "cn-north-1" }, "https://data.s3.cn-north-1.amazonaws.com.cn"],
  ["my.data", {}, "https://s3.us-east-1.amazonaws.com/my.data"],
  ["data", { MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE: "path" }, "https://s3.us-east-1.amazonaws.com/data"],
  ["data", { MLFLOW_S3_ENDPOINT_URL: "http://minio:9000/" }, "http://minio:9000/data"],
  ["data", { AWS_ENDPOINT_URL: "http://minio:9000/s3" }, "http://minio:9000/s3/data"],
  ["data", { MLFLOW_S3_ENDPOINT_URL: "https://r2.example", MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE: "virtual" }, "https://data.r2.example"],
];
for (const [bucket, env, base] of bases)
  test(`the bucket ${bucket} is at ${base} with ${JSON.stringify(env)}`, () =>
    expect(baseOf({ settings: readS3Settings(env), destination: { kind: "s3", bucket, prefix: "", uri: "" } })).toBe(base));

test("keys are read only in pairs, and never printed with the settings", () => {
  expect(readS3Settings({ AWS_ACCESS_KEY_ID: "a" }).credentials).toBeUndefined();
  const settings = readS3Settings({ AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "s3cr3t", AWS_SESSION_TOKEN: "t0k3n" });
  expect(settings.credentials?.()).toEqual({ accessKeyId: "a", secretAccessKey: "s3cr3t", sessionToken: "t0k3n" });
  expect(JSON.stringify(settings) + Bun.inspect(settings)).not.toMatch(/s3cr3t|t0k3n/);
});

test("extra arguments become headers; what cannot be sent is an error", () => {
  const read = (text: string) => readS3Settings({ MLFLOW_S3_UPLOAD_EXTRA_ARGS: text, MLFLOW_S3_EXPECTED_BUCKET_OWNER: "123" });
  expect(read(`{"ServerSideEncryption": "aws:kms", "StorageClass": "STANDARD_IA"}`)).toMatchObject({
    always: { "x-amz-expected-bucket-owner": "123" },
    onObjects: { "x-amz-server-side-encryption": "aws:kms", "x-amz-storage-class": "STANDARD_IA" },
  });
  for (const wrong of ["{", "[1]", `{"SSECustomerKey": "k"}`, `{"ACL": {}}`])
    expect(() => read(wrong)).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
  for (const wrong of ["minio:9000", "ftp://minio", "http://key:secret@minio:9000"])
    expect(() => readS3Settings({ MLFLOW_S3_ENDPOINT_URL: wrong })).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
});
