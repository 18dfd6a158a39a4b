import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import net from "node:net";
import { join } from "node:path";
import { parseUrl, portAt, type Place, type ServerKind } from "./kind.ts";
import { fetchMavenLibraries, findJava, mavenLibraries } from "./maven-libraries.ts";
import { findProgram } from "./server-process.ts";

export interface RocketmqOptions {
  /** Requests must be signed by this user, who may do all. */
  readonly login?: { readonly accessKey: string; readonly secretKey: string };
}

export interface RocketmqControl {
  readonly nameServer: string;
  createTopic(name: string, type: "NORMAL" | "FIFO" | "DELAY", queues?: number): Promise<void>;
  createGroup(name: string, options?: { orderly?: boolean; retries?: number }): Promise<void>;
}

// HTTP/2: the preface and empty SETTINGS.
const preface = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from("000000040000000000", "hex"),
]);

/** RocketMQ 5: a name server, and a proxy with its broker in itself. It takes seconds to start: for tests of clouds only. */
export const rocketmq: ServerKind<RocketmqOptions, object, RocketmqControl> = {
  title: "Apache RocketMQ",
  variable: "ROCKETMQ_URL",
  ports: 3,
  startTimeout: 120_000,
  forks: true,
  greeting: { question: preface, isAnswer: (answer) => answer[3] === 4 },
  startedLine: /rocketmq-proxy startup successfully/,
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 8081),
  isInstalled: () =>
    findJava() !== undefined &&
    existsSync(mavenLibraries("rocketmq")) &&
    findProgram("unshare") !== undefined,
  install: () => fetchMavenLibraries("rocketmq"),
  async prepare(place, { login }) {
    const { folder, host } = place;
    const grpc = portAt(place, 0);
    const { names, broker } = portsOf(place);
    const write = async (name: string, text: string): Promise<string> => {
      const path = join(folder, name);
      await writeFile(path, text);
      return path;
    };
    const nameServer = await write("names.conf", `listenPort=${names}\nbindAddress=${host}\n`);
    const user = login && `{"username":"${login.accessKey}","password":"${login.secretKey}"}`;
    const provider = "org.apache.rocketmq.auth.authentication.provider";
    const authentication = login
      ? [
          "authenticationEnabled=true",
          `authenticationProvider=${provider}.DefaultAuthenticationProvider`,
          `authenticationMetadataProvider=${provider}.LocalAuthenticationMetadataProvider`,
          `initAuthenticationUser=${user}`,
          `innerClientAuthenticationCredentials={"accessKey":"${login.accessKey}","secretKey":"${login.secretKey}"}`,
        ]
      : [];
    const brokerConfig = await write(
      "broker.conf",
      [
        ...["brokerName=broker-a", "brokerId=0", `brokerIP1=${host}`, `listenPort=${broker}`],
        ...[
          "haListenPort=10912",
          `namesrvAddr=${host}:${names}`,
          `storePathRootDir=${folder}/store`,
        ],
        ...["autoCreateTopicEnable=false", "autoCreateSubscriptionGroup=true"],
        ...["mappedFileSizeCommitLog=16777216", "mappedFileSizeConsumeQueue=600000"],
        ...authentication,
        "",
      ].join("\n"),
    );
    const proxy = await write(
      "proxy.json",
      JSON.stringify({
        rocketMQClusterName: "DefaultCluster",
        namesrvAddr: `${host}:${names}`,
        ...{ grpcServerPort: grpc, remotingListenPort: 8080, proxyMode: "LOCAL" },
        ...(login
          ? {
              authenticationEnabled: true,
              authenticationProvider: `${provider}.DefaultAuthenticationProvider`,
              authenticationMetadataProvider:
                "org.apache.rocketmq.proxy.auth.ProxyAuthenticationMetadataProvider",
              innerClientAuthenticationCredentials: `{"accessKey":"${login.accessKey}","secretKey":"${login.secretKey}"}`,
            }
          : {}),
      }),
    );
    const java = [
      ...[findJava() ?? "java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx384m"],
      ...[`-Duser.home=${folder}`, `-Drocketmq.home.dir=${folder}`],
      ...["-cp", join(mavenLibraries("rocketmq"), "*")],
    ];
    const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(" ");
    const main = "org.apache.rocketmq";
    const both = [
      `${quoted([...java, `${main}.namesrv.NamesrvStartup`, "-c", nameServer])} &`,
      `exec ${quoted([...java, `${main}.proxy.ProxyStartup`, "-pm", "local", "-pc", proxy, "-bc", brokerConfig, "-n", `${host}:${names}`])}`,
    ];
    return [
      {
        program: process.execPath,
        arguments: [
          join(import.meta.dirname, "loopback-only-process.ts"),
          ...[folder, [grpc, names, broker].join(","), "sh", "-c", both.join("\n")],
        ],
      },
    ];
  },
  extras: () => ({}),
  ownExtras: (place) => ({
    nameServer: `${place.host}:${portsOf(place).names}`,
    async createTopic(name, type, queues = 4) {
      const { names, broker } = portsOf(place);
      await command(place.host, broker, 17, {
        ...{ topic: name, defaultTopic: "TBW102", topicFilterType: "SINGLE_TAG", order: "false" },
        ...{
          readQueueNums: `${queues}`,
          writeQueueNums: `${queues}`,
          perm: "6",
          topicSysFlag: "0",
        },
        attributes: `+message.type=${type}`,
      });
      // A proxy that has asked too early believes for half a minute that there is none.
      const giveUp = Date.now() + 30_000;
      for (;;) {
        try {
          return await command(place.host, names, 105, { topic: name });
        } catch (error) {
          if (Date.now() > giveUp) throw error;
        }
      }
    },
    createGroup: (groupName, { orderly = false, retries = 16 } = {}) =>
      command(
        place.host,
        portsOf(place).broker,
        200,
        {},
        {
          ...{ groupName, consumeEnable: true, consumeFromMinEnable: true, brokerId: 0 },
          ...{ consumeMessageOrderly: orderly, retryQueueNums: 1, retryMaxTimes: retries },
          ...{ whichBrokerWhenConsumeSlowly: 1, notifyConsumerIdsChangedEnable: true },
        },
      ),
  }),
};

/** The broker also takes the port two below its own. */
function portsOf(place: Place): { readonly names: number; readonly broker: number } {
  const [one, other] = [portAt(place, 1), portAt(place, 2)];
  return place.ports.includes(one - 2)
    ? { names: one, broker: other }
    : { names: other, broker: one };
}

/** Has the broker or the name server do something, by their own protocol. */
async function command(
  host: string,
  port: number,
  code: number,
  extFields: Readonly<Record<string, string>>,
  body?: object,
): Promise<void> {
  const header = { code, extFields, flag: 0, language: "JAVA", opaque: 1, version: 475 };
  const head = Buffer.from(JSON.stringify({ ...header, serializeTypeCurrentRPC: "JSON" }));
  const data = body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(body));
  const lengths = Buffer.alloc(8);
  lengths.writeInt32BE(4 + head.length + data.length, 0);
  lengths.writeInt32BE(head.length, 4);
  const socket = net.connect(port, host);
  try {
    socket.write(Buffer.concat([lengths, head, data]));
    let answer = Buffer.alloc(0);
    for await (const chunk of socket) {
      answer = Buffer.concat([answer, chunk as Buffer]);
      if (answer.length >= 4 && answer.length >= 4 + answer.readInt32BE(0)) break;
    }
    if (answer.length < 8) throw new Error("the broker has ended the connection");
    const length = answer.readInt32BE(4) & 0xff_ff_ff;
    const { code: result, remark } = JSON.parse(answer.toString("utf8", 8, 8 + length)) as {
      code: number;
      remark?: string;
    };
    if (result !== 0) throw new Error(`the broker: ${result} ${remark}`);
  } finally {
    socket.destroy();
  }
}
