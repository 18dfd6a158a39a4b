// 64 MiB in and out in parts, in a process of its own whose memory is measured; with CUFFLINK_TEST_CLOUDS more.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { withClouds } from "../clouds.ts";
import { describeWith } from "../servers/describe-with.ts";
import { makeBucket as makeS3Bucket } from "./aws/aws.s3/moto-bucket.ts";
import { makeBucket } from "./gcp/gcp.bucket/make-bucket.ts";

const run = promisify(execFile);
const MiB = 1024 * 1024;
/** The time of fake-gcs-server grows with the square of the size. */
const sizes = { "gcp.bucket": withClouds ? 256 : 64, "aws.s3": withClouds ? 1024 : 64 } as const;

type Measured = { readonly create: number; readonly get: number; readonly received: number };

/** Stores and reads an object of so many MiB; what nobody uses any more does not count. */
async function testMemory(type: keyof typeof sizes, properties: object): Promise<void> {
  const size = sizes[type] * MiB;
  const program = join(import.meta.dirname, "large-object-process.ts");
  const all = ["--expose-gc", program, type, JSON.stringify(properties), String(size)];
  const { stdout } = await run(process.execPath, all);
  const { create, get, received } = JSON.parse(stdout) as Measured;
  expect(received).toBe(size);
  expect(create).toBeLessThan(16 * MiB);
  expect(get).toBeLessThan(16 * MiB);
}

const timeout = 300_000;

describeWith("fake-gcs", { own: true }, (server) => {
  test("gcp.bucket: large objects pass with less than 16 MiB of memory", { timeout }, async () => {
    const bucket = await makeBucket(server);
    await testMemory("gcp.bucket", { bucket, projectID: "p", endpoint: server.url });
  });
});

describeWith("moto", { own: true }, (server) => {
  test("aws.s3: large objects pass with less than 16 MiB of memory", { timeout }, async () => {
    const { properties } = await makeS3Bucket(server);
    await testMemory("aws.s3", properties);
  });
});
