import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { loadSigning, presignedPath, signedHeaders } from "../../../src/identity/aws/signing.ts";
import type { Unsigned } from "../../../src/identity/aws/signing.ts";

/** The keys of the suite that AWS has published for Signature Version 4, and of the examples in its reference. */
const keys = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
};

const vanilla: Unsigned = {
  service: "service",
  region: "us-east-1",
  host: "example.amazonaws.com",
  method: "GET",
  path: "/",
  headers: { "X-Amz-Date": "20150830T123600Z" },
  body: undefined,
};

test.each<[string, Partial<Unsigned>, string]>([
  ["get-vanilla", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"],
  [
    "post-vanilla",
    { method: "POST" },
    "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
  ],
  [
    "get-vanilla-query-order-key-case",
    { path: "/?Param2=value2&Param1=value1" },
    "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
  ],
  [
    "get-unreserved",
    { path: "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" },
    "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
  ],
  [
    "get-header-value-trim",
    {
      headers: {
        "X-Amz-Date": "20150830T123600Z",
        "My-Header1": " value1",
        "My-Header2": ' "a   b   c"',
      },
    },
    "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
  ],
  [
    "post-header-key-sort",
    { method: "POST", headers: { "X-Amz-Date": "20150830T123600Z", "My-Header1": "value1" } },
    "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
  ],
  [
    "the ListUsers request of the reference",
    {
      service: "iam",
      host: "iam.amazonaws.com",
      path: "/?Action=ListUsers&Version=2010-05-08",
      headers: {
        "X-Amz-Date": "20150830T123600Z",
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
      },
    },
    "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
  ],
])("signs %s as AWS has published it", async (_name, changes, signature) => {
  const headers = signedHeaders(await loadSigning(), { ...vanilla, ...changes }, keys);
  expect(headers["Authorization"]).toContain(`Signature=${signature}`);
});

test("signs the presigned URL of S3's reference, and hides its signature", async () => {
  const hidden: string[] = [];
  const signed = await presignedPath(
    {
      service: "s3",
      region: "us-east-1",
      host: "examplebucket.s3.amazonaws.com",
      path: "/test.txt?X-Amz-Date=20130524T000000Z",
      expires: 86_400,
    },
    {
      ...keys,
      accessKeyId: "AKIAIOSFODNN7EXAMPLE",
      secretAccessKey: keys.secretAccessKey.replace("+", "/"),
    },
    (secret) => hidden.push(secret),
  );
  const signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
  expect(signed).toContain(`X-Amz-Signature=${signature}`);
  expect(hidden).toEqual([signature]);
});

test("signs in Node itself, where a module of the older kind has other names than in the tests", async () => {
  const module = join(import.meta.dirname, "../../../src/identity/aws/signing.ts");
  const script = `const { loadSigning } = await import(${JSON.stringify(module)}); console.log(typeof (await loadSigning()));`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--input-type=module",
    "-e",
    script,
  ]);
  expect(stdout).toBe("function\n");
});
