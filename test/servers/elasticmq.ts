import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";
import { fetchMavenLibraries, findJava, mavenLibraries } from "./maven-libraries.ts";

/** ElasticMQ, which speaks SQS: visibility, receive counts, FIFO groups and redrive. Its messages are on disk. */
export const elasticmq: ServerKind<object, object, object> = {
  title: "ElasticMQ",
  variable: "ELASTICMQ_URL",
  ports: 1,
  startTimeout: 120_000,
  greeting: {
    question: Buffer.from("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    isAnswer: (answer) => answer.includes("HTTP/1.1 200"),
  },
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 9324),
  isInstalled: () => findJava() !== undefined && existsSync(mavenLibraries("elasticmq")),
  install: () => fetchMavenLibraries("elasticmq"),
  async prepare(place) {
    const file = join(place.folder, "elasticmq.conf");
    const port = portAt(place, 0);
    const data = join(place.folder, "messages");
    await writeFile(
      file,
      `include classpath("application.conf")
node-address { protocol = http, host = "${place.host}", port = ${port}, context-path = "" }
rest-sqs { enabled = true, bind-hostname = "${place.host}", bind-port = ${port}, sqs-limits = strict }
rest-stats { enabled = false }
messages-storage {
  enabled = true
  uri = "jdbc:h2:${data};WRITE_DELAY=0"
}
`,
    );
    return [
      {
        program: findJava() ?? "java",
        arguments: [
          // Quick to start rather than fast for days.
          ...["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx384m"],
          ...[`-Dconfig.file=${file}`, "-cp", join(mavenLibraries("elasticmq"), "*")],
          "org.elasticmq.server.Main",
        ],
      },
    ];
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};
