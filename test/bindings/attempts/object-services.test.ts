import oss from "../../../src/bindings/alicloud/alicloud.oss/index.ts";
import obs from "../../../src/bindings/huawei.obs/index.ts";
import { endAfterTest } from "../contract.ts";
import * as standIn from "../object-service/stand-in.ts";
import { testAttempts } from "./suite.ts";

const { accessKeyId, bucket, secret } = standIn;

testAttempts(oss, "create", async () => {
  const server = await standIn.startObjects(standIn.oss);
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    ...{ server: { host: "127.0.0.1", port: server.port }, operation: "create" },
    connectsByCall: true,
    properties: ({ host, port }) => ({
      ...{
        endpoint: `http://${host}:${port}`,
        accessKeyID: accessKeyId,
        accessKey: secret,
        bucket,
      },
    }),
    request: (data) => ({ data }),
    done: async (mark) =>
      [...server.objects.values()].filter((one) => one.equals(Buffer.from(mark))).length,
  };
});

testAttempts(obs, "create", async () => {
  const server = await standIn.startObjects(standIn.obs);
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    ...{ server: { host: "127.0.0.1", port: server.port }, operation: "create" },
    connectsByCall: true,
    properties: ({ host, port }) => ({
      ...{ endpoint: `http://${host}:${port}`, accessKey: accessKeyId, secretKey: secret, bucket },
    }),
    request: (data) => ({ data }),
    done: async (mark) =>
      [...server.objects.values()].filter((one) => one.equals(Buffer.from(mark))).length,
  };
});
