import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseUrl, portAt, type ServerKind } from "./kind.ts";
import { fetchMavenLibraries, findJava, mavenLibraries } from "./maven-libraries.ts";

/** The user of the server, named as those of Cosmos DB are. */
export const gremlinUser = {
  username: "/dbs/shop/colls/orders",
  masterKey: "the key / with + more",
} as const;

/** Its password, as bcrypt has it. */
const hashed = "$2a$04$TtG8inSkVHgR/CDnF18tk.dr5Jt1TTf8uWCTT9DxLFRlEGMnacxTO";

/** Apache Gremlin Server with an empty graph in memory, and a login. It takes seconds to start: for tests of clouds only. */
export const gremlin: ServerKind<object, object, object> = {
  title: "Apache Gremlin Server",
  variable: "GREMLIN_URL",
  ports: 1,
  startTimeout: 120_000,
  greeting: {
    question: Buffer.from("GET /gremlin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    isAnswer: (answer) => answer.toString("latin1").startsWith("HTTP/1.1 "),
  },
  startedLine: /Channel started at port/,
  url: (host, port) => `ws://${host}:${port}/gremlin`,
  parse: (value) => parseUrl(value, 8182),
  isInstalled: () => findJava() !== undefined && existsSync(mavenLibraries("gremlin")),
  install: () => fetchMavenLibraries("gremlin"),
  async prepare(place) {
    const { folder, host } = place;
    const write = async (name: string, text: string): Promise<string> => {
      const path = join(folder, name);
      await writeFile(path, text);
      return path;
    };
    const graph = [
      "gremlin.graph=org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerGraph",
      "gremlin.tinkergraph.vertexIdManager=ANY",
    ].join("\n");
    const property = (name: string, value: string, id: number): string =>
      `"${name}":[{"id":{"@type":"g:Int64","@value":${id}},"value":"${value}"}]`;
    const { username } = gremlinUser;
    const users = await write(
      "users.json",
      `{"id":{"@type":"g:Int64","@value":0},"label":"user","properties":{${property("username", username, 1)},${property("password", hashed, 2)}}}\n`,
    );
    const credentials = await write(
      "credentials.properties",
      `${graph}\ngremlin.tinkergraph.graphLocation=${users}\ngremlin.tinkergraph.graphFormat=graphson\n`,
    );
    const graphFile = await write("graph.properties", `${graph}\n`);
    const script = await write(
      "start.groovy",
      "def globals = [:]\nglobals << [g : traversal().withEmbedded(graph)]\n",
    );
    const config = await write(
      "server.yaml",
      `host: ${host}
port: ${portAt(place, 0)}
evaluationTimeout: 10000
resultIterationBatchSize: 64
channelizer: org.apache.tinkerpop.gremlin.server.channel.WebSocketChannelizer
graphs: { graph: ${graphFile} }
scriptEngines:
  gremlin-groovy:
    plugins:
      org.apache.tinkerpop.gremlin.server.jsr223.GremlinServerGremlinPlugin: {}
      org.apache.tinkerpop.gremlin.tinkergraph.jsr223.TinkerGraphGremlinPlugin: {}
      org.apache.tinkerpop.gremlin.jsr223.ScriptFileGremlinPlugin: { files: [${script}] }
serializers:
  - className: org.apache.tinkerpop.gremlin.util.ser.GraphSONMessageSerializerV2
    config: { ioRegistries: [org.apache.tinkerpop.gremlin.tinkergraph.structure.TinkerIoRegistryV2] }
authentication:
  authenticator: org.apache.tinkerpop.gremlin.server.auth.SimpleAuthenticator
  authenticationHandler: org.apache.tinkerpop.gremlin.server.handler.SaslAuthenticationHandler
  config: { credentialsDb: ${credentials} }
`,
    );
    return [
      {
        program: findJava() ?? "java",
        arguments: [
          // Quick to start rather than fast for days.
          ...["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx384m"],
          ...["-cp", join(mavenLibraries("gremlin"), "*")],
          ...["org.apache.tinkerpop.gremlin.server.GremlinServer", config],
        ],
      },
    ];
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};
