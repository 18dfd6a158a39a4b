import dingtalk from "../../../src/bindings/alicloud/alicloud.dingtalk.webhook/index.ts";
import sls from "../../../src/bindings/alicloud/alicloud.sls/index.ts";
import * as robots from "../alicloud/alicloud.dingtalk.webhook/stand-in.ts";
import { startLogService } from "../alicloud/alicloud.sls/start.ts";
import { endAfterTest } from "../contract.ts";
import { testAttempts } from "./suite.ts";

const urlOf = ({ host, port }: { host: string; port: number }): string => `http://${host}:${port}`;

testAttempts(dingtalk, "create", async () => {
  const server = await robots.startDingtalk();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    ...{ server: { host: "127.0.0.1", port: server.port }, operation: "create" },
    connectsByCall: true,
    properties: (at) => ({ id: "a", url: server.webhookAt(urlOf(at)), secret: robots.secret }),
    request: (mark) => ({ data: robots.textMessage(mark) }),
    done: async (mark) =>
      server.messages.filter((one) => JSON.stringify(one).includes(mark)).length,
  };
});

testAttempts(sls, "create", async () => {
  const { server, output } = await startLogService();
  return {
    ...{ server: { host: "127.0.0.1", port: server.port }, operation: "create" },
    connectsByCall: true,
    properties: (at) => ({ ...output, topic: "t", source: "s", endpoint: urlOf(at) }),
    request: (mark) => ({ data: JSON.stringify({ mark }) }),
    done: async (mark) =>
      server.logs("orders").filter(({ texts }) => texts["mark"] === mark).length,
  };
});
