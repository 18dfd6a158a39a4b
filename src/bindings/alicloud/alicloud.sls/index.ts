import { hostname } from "node:os";
import { deflateSync } from "node:zlib";
import { defineBinding } from "../../../binding.ts";
import { BindingError, messageOf } from "../../../errors.ts";
import { examineByRequest } from "../../../examine-by-request.ts";
import { isObject } from "../../../http-client/service-client.ts";
import { string } from "../../../metadata/fields.ts";
import { problemsOf } from "../../../check-settings.ts";
import { ConsumerGroup } from "./consumer-group.ts";
import { slsFields, type SlsMetadata } from "./fields.ts";
import { GroupReader } from "./group-reader.ts";
import { encodeLogGroup } from "./log-group.ts";
import { checkName, LogService } from "./log-service.ts";

const nothing = new Uint8Array();
const request = {
  project: string({
    description: "The project. Default: the component's; one of both is required.",
    example: "shop",
  }),
  logstore: string({
    description: "The Logstore. Default: the component's; one of both is required.",
    example: "orders",
  }),
  topic: string({
    description: "The log's topic. Default: the component's; one of both is required.",
    example: "checkout",
  }),
  source: string({
    description: "The log's source. Default: the component's; one of both is required.",
    example: "shop-1",
  }),
} as const;

/** Writes logs to Logstores of Alibaba Cloud's Log Service, and reads one as a member of a consumer group. */
export default defineBinding({
  name: "alicloud.sls",
  status: "beta",
  summary: "Writes logs to Alibaba Cloud Log Service (SLS), and reads a Logstore.",
  provedBy: [{ system: "Alibaba Cloud Log Service", kind: "stand-in" }],
  metadata: slsFields,

  async check(metadata, { input }) {
    return problemsOf([() => checkSettings(metadata, input)]);
  },

  async open({ component, metadata, directions, memory, hide }) {
    const { endpoint, accessKeyID, accessKeySecret } = metadata;
    checkSettings(metadata, directions.input);
    const service = await LogService.open({
      ...{ endpoint, memory, hide, accessKeyId: accessKeyID, secret: accessKeySecret },
      caCert: metadata.caCert,
    });
    return { service, component, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
  },

  operations: {
    create: {
      description: "Writes a log: the data are a JSON object of texts.",
      request,
      async invoke({ service }, { data = nothing, request, metadata, signal }) {
        const of = (name: keyof typeof request): string => {
          const value = request[name] || metadata[name];
          if (value) return value;
          const text = `SLS binding error: ${name} property not supplied`;
          throw new BindingError("invalid_argument", text);
        };
        const place = { project: of("project"), logstore: of("logstore") };
        const texts = { topic: of("topic"), source: of("source") };
        const project = checkName("project", place.project);
        const logstore = checkName("logstore", place.logstore);
        const time = Math.floor(Date.now() / 1000);
        const group = encodeLogGroup({ time, contents: contentsOf(data), ...texts });
        const isPacked = metadata.compression === "deflate";
        const body = {
          type: "application/x-protobuf",
          bytes: isPacked ? deflateSync(group) : group,
          rawSize: group.length,
        };
        const headers: Record<string, string> = isPacked ? { "x-log-compresstype": "deflate" } : {};
        const path = `/logstores/${logstore}/shards/lb`;
        await service.ask(project, { method: "POST", path, headers, body }, signal);
      },
    },
  },

  async examine({ service, component }, questions) {
    const { metadata, directions, signal, ask, unknown, omit } = questions;
    const { project = "", logstore = "" } = metadata;
    if (directions.output) unknown("may write", "", "only writing a log tells");
    if (project === "" || logstore === "") {
      omit("exists");
      return unknown("authenticated", "", "each call names its project and Logstore");
    }
    const path = `/logstores/${logstore}`;
    const told = [
      ["authenticated", ""],
      ["exists", `Logstore ${project}/${logstore}`],
    ] as const;
    const request = async () => void (await service.ask(project, { method: "GET", path }, signal));
    await examineByRequest(questions, request, told);
    if (!directions.input) return;
    const group = metadata.consumerGroup || component.appId;
    const place = { project, logstore, group, consumer: "" };
    // A cursor needs the permission that reading needs, and reads nothing.
    await ask("may read", "a cursor of shard 0", async () => {
      await new ConsumerGroup(service, place).cursorOf(0, "begin", signal);
    });
  },

  eventMetadata: {
    project: "The project.",
    logstore: "The logstore.",
    consumerGroup: "The consumer group.",
    consumer: "The consumer in the group.",
    shard: "The shard.",
    topic: "The log's topic.",
    source: "Where the log came from.",
    time: "When it was logged, in seconds since 1970.",
  },

  guarantee: {
    returned: "comes again once the shard is read anew: the group's checkpoint does not pass it",
    atLeastOnce: "logs are read before the Logstore deletes them by age",
    key: "the shard, with `inOrder`",
    shared: true,
    duplicates: {
      app: "what the app has: `maxInFlight` (64)",
      runtime:
        "what the app has, and the logs of batches that were not handled whole (192, where each of 64 groups is one log)",
      server: "the same, if no heart-beat came through for three intervals",
    },
  },

  async read({ service, component }, reading) {
    const { project = "", logstore = "", consumerGroup, consumerName } = reading.metadata;
    const group = checkName("consumerGroup", consumerGroup || component.appId);
    const consumer = consumerName || `${hostname()}-${process.pid}-${component.name}`;
    const member = new ConsumerGroup(service, { project, logstore, group, consumer });
    return new GroupReader(member, reading).start();
  },

  inputIsOptional: true,
  returnsSingly: false,
});

function checkSettings({ project, logstore, consumerGroup }: SlsMetadata, input: boolean): void {
  if (input && !(project && logstore))
    throw new BindingError("invalid_argument", "an input requires project and logstore");
  if (project) checkName("project", project);
  if (logstore) checkName("logstore", logstore);
  if (input && consumerGroup) checkName("consumerGroup", consumerGroup);
}

/** As Go reads them into a map of texts: null is the empty text, or no text at all. */
function contentsOf(data: Uint8Array): Record<string, string> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(data).toString("utf8"));
  } catch (error) {
    throw wrong(messageOf(error));
  }
  if (parsed === null) return {};
  if (!isObject(parsed)) throw wrong("they are no JSON object");
  const texts = Object.entries(parsed).map(([key, value]): [string, string] => {
    if (value === null) return [key, ""];
    if (typeof value !== "string") throw wrong(`the value of ${JSON.stringify(key)} is no text`);
    return [key, value.toWellFormed()];
  });
  return Object.fromEntries(texts);
}

function wrong(why: string): BindingError {
  return new BindingError("invalid_argument", `SLS binding error: the data are no log: ${why}`);
}
