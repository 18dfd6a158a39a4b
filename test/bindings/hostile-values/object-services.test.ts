import oss from "../../../src/bindings/alicloud/alicloud.oss/index.ts";
import obs from "../../../src/bindings/huawei.obs/index.ts";
import { endAfterTest } from "../contract.ts";
import * as standIn from "../object-service/stand-in.ts";
import { testHostileValues } from "./suite.ts";

const { accessKeyId, bucket, secret } = standIn;

testHostileValues(oss, ["the key"], async () => {
  const server = await standIn.startObjects(standIn.oss);
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    properties: { endpoint: server.url, accessKeyID: accessKeyId, accessKey: secret, bucket },
    places: {
      "the key": {
        send: (output, key) => output.invoke("create", { key }, { data: "x" }),
        arrived: async () => takeKeys(server.objects),
      },
    },
  };
});

testHostileValues(obs, ["the key", "the prefix"], async () => {
  const server = await standIn.startObjects(standIn.obs);
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    properties: { endpoint: server.url, accessKey: accessKeyId, secretKey: secret, bucket },
    places: {
      "the key": {
        send: (output, key) => output.invoke("create", { key }, { data: "x" }),
        arrived: async () => takeKeys(server.objects),
      },
      "the prefix": {
        send: (output, prefix) => output.invoke("list", {}, { data: JSON.stringify({ prefix }) }),
        arrived: async () =>
          server.received
            .splice(0)
            .map(({ url = "" }) => new URL(url, server.url).searchParams.get("prefix") ?? ""),
      },
    },
  };
});

function takeKeys(objects: Map<string, Buffer>): string[] {
  const keys = [...objects.keys()];
  objects.clear();
  return keys;
}
