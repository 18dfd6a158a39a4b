import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { type Component, writeComponents } from "../component.ts";
import { accountKey, keys } from "../systems/clouds/keys.ts";
import { daemonSubject } from "./calls.ts";
import type { Bench, ContenderName, Row } from "./row.ts";
import { startsContender } from "./start-memory.ts";

const ofEachType = 3;

/** What thirty of ten types cost that nothing calls yet, beside one of them; and what they cost once all are opened. */
export const lazyComponentsRow: Row = {
  name: "start-lazy-30",
  title: "thirty outputs of ten types, `readiness: lazy`, beside one",
  contenders: ["cufflink-lazy", "cufflink-opened", "floor"],
  requirements: [
    { measure: "start", contender: "cufflink-lazy", of: "floor", atMost: 1.1 },
    { measure: "memory", contender: "cufflink-lazy", of: "floor", atMost: 1.1 },
  ],
  async open(contender, bench) {
    const components = await componentsOf(contender, bench);
    const resources = await writeComponents(bench.folder, components);
    const subject = daemonSubject(contender, bench, { resources });
    const { pubsub } = await bench.systems.clouds();
    const environment = { PUBSUB_EMULATOR_HOST: pubsub };
    return startsContender(subject, { ...bench.circumstances, environment });
  },
};

async function componentsOf(contender: ContenderName, bench: Bench): Promise<Component[]> {
  const readiness = contender === "cufflink-opened" ? "optional" : "lazy";
  const types = Object.entries(await tenTypes(bench)).slice(0, contender === "floor" ? 1 : 10);
  return types.flatMap(([type, metadata]) =>
    Array.from({ length: contender === "floor" ? 1 : ofEachType }, (_, index) => ({
      ...{ name: `${type.replace(".", "-")}-${index}`, type },
      metadata: { ...metadata, direction: "output", readiness },
    })),
  );
}

/** By type. Each can be opened here. */
async function tenTypes(bench: Bench): Promise<Record<string, Record<string, string>>> {
  const { systems, folder } = bench;
  const [redis, postgres, nats] = [
    await systems.redis(),
    await systems.postgres(),
    await systems.nats(),
  ];
  const { url } = await systems.clouds();
  const { accessKeyId: accessKey, secretAccessKey: secretKey } = keys;
  const aws = { region: "us-east-1", endpoint: url, accessKey, secretKey };
  const azure = { accountName: "account", accountKey, endpoint: url };
  return {
    redis: { redisHost: `${redis.host}:${redis.port}`, redisPassword: "" },
    http: { url },
    localstorage: { rootPath: await mkdtemp(join(folder, "files-")) },
    postgres: { connectionString: postgres.url },
    nats: { servers: `${nats.host}:${nats.port}`, subject: "out" },
    "aws.s3": { ...aws, bucket: "bucket", forcePathStyle: "true" },
    "aws.sqs": { ...aws, queueName: "out" },
    "azure.storagequeues": { ...azure, queueName: "out" },
    "azure.blobstorage": { ...azure, containerName: "out" },
    "gcp.pubsub": { projectID: "shop", topic: "out" },
  };
}
