import { expect, test } from "bun:test";
import { describeMachine, recordedEnvironment } from "../../../src/run/child/environment.ts";

test("only what decides how a run computes is recorded, and no secret", () => {
  const env = {
    CUDA_VISIBLE_DEVICES: "0,1",
    SLURM_JOB_ID: "77",
    SLURM_JWT: "eyJhbGciOi.J9",
    SLURM_API_KEY: "very secret",
    PYTHONPATH: "/src",
    PYTHONHASHSEED: "",
    PATH: "/bin",
    HOME: "/home/me",
    HF_TOKEN: "hf_secret_value",
    XLA_FLAGS: "--dump_to=https://me:pw@host/hf_secret_value",
    GITHUB_SHA: "abc",
    GITHUB_TOKEN: "ghs_x",
  };
  expect(recordedEnvironment(env)).toEqual({
    CUDA_VISIBLE_DEVICES: "0,1",
    GITHUB_SHA: "abc",
    PYTHONPATH: "/src",
    SLURM_JOB_ID: "77",
    XLA_FLAGS: "--dump_to=https://host/[redacted]",
  });
});

test("the machine says what it is", () => {
  const machine = describeMachine();
  expect(machine.cores).toBeGreaterThan(0);
  expect(machine.memoryBytes).toBeGreaterThan(100_000_000);
  expect(machine.platform).toStartWith(`${process.platform} ${process.arch} `);
  expect(machine.user).not.toBe("");
  expect(machine.host).not.toBe("");
});
