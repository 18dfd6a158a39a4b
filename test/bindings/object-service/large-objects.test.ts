// 64 MiB in and out in parts, in a process of its own whose memory is measured; with CUFFLINK_TEST_CLOUDS 1 GiB.
import { expect, test } from "vitest";
import { withClouds } from "../../clouds.ts";
import { expectBoundedMemory, MiB } from "../large-object.ts";
import { serveLargeObjects } from "./large-objects.ts";
import { accessKeyId, bucket, obs, oss, secret } from "./stand-in.ts";

const size = withClouds ? 1024 * MiB : 64 * MiB;
const limit = { timeout: 300_000 };

test.each([
  ["alicloud.oss", oss, { accessKeyID: accessKeyId, accessKey: secret }],
  ["huawei.obs", obs, { accessKey: accessKeyId, secretKey: secret }],
] as const)(
  "%s: large objects pass with less than 16 MiB of memory",
  limit,
  async (type, vendor, login) => {
    const server = await serveLargeObjects(vendor);
    const properties = { endpoint: server.url, bucket, ...login };
    await expectBoundedMemory({ type, keyField: "key", properties }, size);
    expect(await server.sizeOf("large")).toBe(size);
  },
);
