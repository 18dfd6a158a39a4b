import { onTestFinished } from "vitest";
import rocketmq from "../../../src/bindings/rocketmq/index.ts";
import { uniqueName } from "../../servers/describe-with.ts";
import type { Stored } from "../../servers/rocketmq-proxy/broker.ts";
import { RocketmqProxy } from "../../servers/rocketmq-proxy/proxy.ts";
import { testHostileValues } from "./suite.ts";

const places = [
  ...["the topic", "the tag", "the key", "the group", "a property", "the name of a property"],
];

testHostileValues(rocketmq, places, async () => {
  const proxy = await new RocketmqProxy().listen();
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const topics = uniqueName("orders");
  const fifo = uniqueName("fifo-orders");
  let seen = 0;
  const arrived = (show: (message: Stored) => string) => async () => {
    const all = [...proxy.messages.of(topics), ...proxy.messages.of(fifo)];
    return all.slice(seen, (seen = all.length)).map(show);
  };
  const place = (name: string, show: (message: Stored) => string, more = {}) => ({
    send: (output: Parameters<Sending>[0], value: string) =>
      output.invoke("create", { "rocketmq-topic": topics, ...more, [name]: value }, { data: "x" }),
    arrived: arrived(show),
  });
  return {
    properties: { proxyEndpoint: proxy.address, topics },
    places: {
      "the topic": { ...place("rocketmq-topic", ({ topic }) => topic), harmless: topics },
      "the tag": place("rocketmq-tag", ({ tag }) => tag),
      "the key": place("rocketmq-key", ({ keys }) => keys.join(" ")),
      "the group": place("rocketmq-message-group", ({ group }) => group, {
        "rocketmq-topic": fifo,
      }),
      "a property": place("property:mark", ({ properties }) => properties["mark"] ?? ""),
      "the name of a property": {
        send: (output, value) =>
          output.invoke("create", { [`property:${value}`]: "x" }, { data: "x" }),
        arrived: arrived(({ properties }) => Object.keys(properties)[0] ?? ""),
      },
    },
  };
});

type Sending = Awaited<
  ReturnType<Parameters<typeof testHostileValues>[2]>
>["places"][string]["send"];
