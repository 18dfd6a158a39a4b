import sls from "../../../src/bindings/alicloud/alicloud.sls/index.ts";
import { startLogService } from "../alicloud/alicloud.sls/start.ts";
import { testHostileValues } from "./suite.ts";

const places = ["the project", "the Logstore", "the topic", "the source", "a key", "a value"];

testHostileValues(sls, places, async () => {
  const { server, output } = await startLogService();
  const place = { topic: "t", source: "s" };
  server.create("harmless");
  const hosts = async () => server.asked.splice(0).map(({ host }) => host.split(".", 1)[0] ?? "");
  const logs = (name: string) => {
    const found = server.logs(name);
    for (const { groups } of server.logstores.get(name)?.shards ?? []) groups.splice(0);
    return found;
  };
  return {
    properties: output,
    places: {
      "the project": {
        send: (output, project) => output.invoke("create", { ...place, project }, { data: "{}" }),
        arrived: hosts,
        harmless: "shop",
      },
      "the Logstore": {
        send: (output, logstore) => output.invoke("create", { ...place, logstore }, { data: "{}" }),
        arrived: async () => server.asked.splice(0).map(({ url }) => url),
        expected: (name) => `/logstores/${name}/shards/lb`,
      },
      "the topic": {
        send: (output, topic) => output.invoke("create", { ...place, topic }, { data: "{}" }),
        arrived: async () => logs("orders").map(({ topic }) => topic),
      },
      "the source": {
        send: (output, source) => output.invoke("create", { ...place, source }, { data: "{}" }),
        arrived: async () => logs("orders").map(({ source }) => source),
      },
      "a key": {
        send: (output, key) =>
          output.invoke("create", place, { data: JSON.stringify({ [key]: "x" }) }),
        arrived: async () => logs("orders").flatMap(({ texts }) => Object.keys(texts)),
      },
      "a value": {
        send: (output, value) =>
          output.invoke("create", place, { data: JSON.stringify({ value }) }),
        arrived: async () => logs("orders").flatMap(({ texts }) => Object.values(texts)),
      },
    },
  };
});
