// 64 MiB in and out in parts, in a process of its own whose memory is measured; with CUFFLINK_TEST_CLOUDS more.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withClouds } from "../clouds.ts";
import { describeWith } from "../servers/describe-with.ts";
import { makeBucket as makeS3Bucket } from "./aws/aws.s3/moto-bucket.ts";
import { makeContainer } from "./azure/blob-container.ts";
import { makeBucket } from "./gcp/gcp.bucket/make-bucket.ts";
import { expectBoundedMemory, MiB } from "./large-object.ts";

const usual = 64 * MiB;
const large = withClouds ? 1024 * MiB : usual;
const limit = { timeout: 300_000 };

describeWith("fake-gcs", { own: true }, (server) => {
  test("gcp.bucket: large objects pass with less than 16 MiB of memory", limit, async () => {
    const properties = { bucket: await makeBucket(server), projectID: "p", endpoint: server.url };
    // The time of fake-gcs-server grows with the square of the size.
    const size = withClouds ? 256 * MiB : usual;
    await expectBoundedMemory({ type: "gcp.bucket", keyField: "key", properties }, size);
  });
});

describeWith("moto", { own: true }, (server) => {
  test("aws.s3: large objects pass with less than 16 MiB of memory", limit, async () => {
    const { properties } = await makeS3Bucket(server);
    await expectBoundedMemory({ type: "aws.s3", keyField: "key", properties }, large);
  });
});

describeWith("azurite-blob", { own: true, keepsData: true }, (server) => {
  test("azure.blobstorage: large blobs pass with less than 16 MiB of memory", limit, async () => {
    const { container, properties } = await makeContainer(server);
    const store = { type: "azure.blobstorage", keyField: "blobName", properties };
    await expectBoundedMemory(store, large);
    const { contentLength } = await container.getBlobClient("large").getProperties();
    expect(contentLength).toBe(large);
  });
});

describeWith("openssh", { own: true }, (server) => {
  test("sftp: large files pass with less than 16 MiB of memory", limit, async () => {
    const properties = { address: `${server.host}:${server.port}`, ...server.login };
    await expectBoundedMemory({ type: "sftp", keyField: "fileName", properties }, usual);
    expect((await stat(join(server.files, "large"))).size).toBe(usual);
  });
});
