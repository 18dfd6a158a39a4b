import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseUrl, portAt, type ServerKind } from "./kind.ts";
import { fetchMavenLibraries, findJava, mavenLibraries } from "./maven-libraries.ts";
import { findProgram } from "./server-process.ts";

/** A provider of Apache Dubbo with the service of `dubbo/Main.java`. It takes seconds to start: for tests of clouds only. */
export const dubbo: ServerKind<object, object, object> = {
  title: "Apache Dubbo",
  variable: "DUBBO_URL",
  ports: 1,
  startTimeout: 120_000,
  forks: true,
  // A heartbeat, and the head of its answer.
  greeting: {
    question: Buffer.from("dabbe2000000000000000001000000014e", "hex"),
    isAnswer: (answer) => answer.length >= 16 && answer.readUInt16BE(0) === 0xdabb,
  },
  startedLine: /provider started/,
  url: (host, port) => `dubbo://${host}:${port}`,
  parse: (value) => parseUrl(value, 20_880),
  // Java compiles the program, which needs more than a runtime.
  isInstalled: () =>
    findJava() !== undefined &&
    findProgram("javac", "unshare") !== undefined &&
    existsSync(mavenLibraries("dubbo")),
  install: () => fetchMavenLibraries("dubbo"),
  async prepare(place) {
    const port = String(portAt(place, 0));
    const libraries = join(mavenLibraries("dubbo"), "*");
    const classes = join(place.folder, "classes");
    const java = [
      ...["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m"],
      ...["-Ddubbo.application.logger=jdk", "-Djava.net.preferIPv4Stack=true"],
      // Dubbo reads the fields of exceptions.
      ...["--add-opens", "java.base/java.lang=ALL-UNNAMED"],
    ];
    const script = `javac -nowarn -cp '${libraries}' -d '${classes}' '${join(import.meta.dirname, "dubbo/Main.java")}' && exec '${findJava() ?? "java"}' ${java.join(" ")} -cp '${libraries}:${classes}' Main ${place.host} ${port}`;
    return [
      {
        program: process.execPath,
        arguments: [
          join(import.meta.dirname, "loopback-only-process.ts"),
          ...[place.folder, port, "sh", "-c", script],
        ],
      },
    ];
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};
