import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { installPackages, withFileLock } from "./install.ts";
import { parseUrl, portAt } from "./kind.ts";
import type { Place, ServerKind } from "./kind.ts";
import { findProgram } from "./server-process.ts";

export interface ArtemisOptions {
  /** Further elements of `address-settings`. */
  readonly addressSettings?: string;
}

export interface ArtemisControl {
  /** Changes or adds a user, who may do all. */
  setPassword(user: string, password: string): Promise<void>;
}

const version = "2.40.0";
const run = promisify(execFile);

/**
 * Apache ActiveMQ Artemis: admin/admin may do all, worker/worker only send to and read from what is there, and who has
 * no name is guest, who may do all. Queues are made when first used. A message is returned as often as one likes, but
 * for the addresses `limited.…`: three times, then it is in the queue `DLQ`.
 */
export const artemis: ServerKind<ArtemisOptions, object, ArtemisControl> = {
  title: "ActiveMQ Artemis",
  variable: "ARTEMIS_URL",
  ports: 1,
  startTimeout: 120_000,
  greeting: {
    question: Buffer.from("AMQP\x03\x01\x00\x00", "latin1"),
    isAnswer: (answer) => answer.length >= 8 && answer.subarray(0, 4).toString("latin1") === "AMQP",
  },
  startedLine: /AMQ221007: Server is now active/,
  url: (host, port) => `amqp://admin:admin@${host}:${port}`,
  parse: (value) => parseUrl(value, 5672),
  isInstalled: () => java() !== undefined && existsSync(home()),
  install,
  async prepare(place, options) {
    await writeInstance(place, options);
    const folder = (name: string) => join(place.folder, name);
    return [
      {
        program: java() ?? "java",
        arguments: [
          // Quick to start rather than fast for days.
          ...["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xms96m", "-Xmx512m"],
          ...["--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED"],
          `-Djava.security.auth.login.config=${folder("etc/login.config")}`,
          `-Dartemis.home=${home()}`,
          `-Dartemis.instance=${place.folder}`,
          `-Dartemis.instance.etc=${folder("etc")}`,
          `-Ddata.dir=${folder("data")}`,
          `-Djava.io.tmpdir=${folder("tmp")}`,
          `-Dlog4j2.configurationFile=${folder("etc/log4j2.properties")}`,
          ...["-classpath", join(home(), "lib", "artemis-boot.jar")],
          ...["org.apache.activemq.artemis.boot.Artemis", "run"],
        ],
      },
    ];
  },
  extras: () => ({}),
  ownExtras: (place) => {
    const more = new Map<string, string>();
    return {
      async setPassword(user, password) {
        more.set(user, password);
        await writeUsers(place, more);
      },
    };
  },
};

async function writeInstance(place: Place, options: ArtemisOptions): Promise<void> {
  for (const name of ["etc", "data", "tmp", "log", "lock"])
    await mkdir(join(place.folder, name), { recursive: true });
  const write = (name: string, text: string) => writeFile(join(place.folder, "etc", name), text);
  await write("broker.xml", brokerXml(place, options));
  await write(
    "bootstrap.xml",
    `<broker xmlns="http://activemq.apache.org/schema"><jaas-security domain="activemq"/><server configuration="file:${place.folder}/etc/broker.xml"/></broker>\n`,
  );
  await write(
    "management.xml",
    `<management-context xmlns="http://activemq.apache.org/schema"/>\n`,
  );
  await write("login.config", loginConfig);
  await write("log4j2.properties", logging);
  await writeUsers(place, new Map());
}

const given = { admin: "admin", worker: "worker" };

async function writeUsers(place: Place, more: ReadonlyMap<string, string>): Promise<void> {
  const users = Object.entries({ ...given, ...Object.fromEntries(more) });
  const etc = join(place.folder, "etc");
  await writeWhole(
    join(etc, "roles.properties"),
    `all = ${users.flatMap(([name]) => (name === "worker" ? [] : [name])).join(",")}\nfew = worker\n`,
  );
  await writeWhole(
    join(etc, "users.properties"),
    users.map(([name, password]) => `${name} = ${password}\n`).join(""),
  );
}

/** The server may read at any time. */
async function writeWhole(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
}

const loginConfig = `activemq {
  org.apache.activemq.artemis.spi.core.security.jaas.GuestLoginModule sufficient
    credentialsInvalidate=true
    org.apache.activemq.jaas.guest.user="guest"
    org.apache.activemq.jaas.guest.role="all";
  org.apache.activemq.artemis.spi.core.security.jaas.PropertiesLoginModule required
    reload=true
    org.apache.activemq.jaas.properties.user="users.properties"
    org.apache.activemq.jaas.properties.role="roles.properties";
};
`;

const logging = `rootLogger.level = WARN
rootLogger.appenderRef.console.ref = console
logger.server.name = org.apache.activemq.artemis.core.server
logger.server.level = INFO
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %-5level [%logger] %msg%n
`;

const permissions = [
  ...["createNonDurableQueue", "deleteNonDurableQueue", "createDurableQueue"],
  ...["deleteDurableQueue", "createAddress", "deleteAddress", "browse", "manage"],
];

function brokerXml(place: Place, { addressSettings = "" }: ArtemisOptions): string {
  const data = join(place.folder, "data");
  const address = `tcp://${place.host}:${portAt(place, 0)}`;
  return `<configuration xmlns="urn:activemq"><core xmlns="urn:activemq:core">
  <name>tests</name>
  <persistence-enabled>true</persistence-enabled>
  <journal-type>NIO</journal-type>
  <journal-datasync>false</journal-datasync>
  <paging-directory>${data}/paging</paging-directory>
  <bindings-directory>${data}/bindings</bindings-directory>
  <journal-directory>${data}/journal</journal-directory>
  <large-messages-directory>${data}/large</large-messages-directory>
  <journal-min-files>2</journal-min-files>
  <journal-file-size>10M</journal-file-size>
  <max-disk-usage>100</max-disk-usage>
  <critical-analyzer>false</critical-analyzer>
  <security-invalidation-interval>100</security-invalidation-interval>
  <authentication-cache-size>0</authentication-cache-size>
  <acceptors>
    <acceptor name="amqp">${address}?protocols=AMQP;useEpoll=false;amqpCredits=1000;amqpLowCredits=300;amqpMinLargeMessageSize=102400</acceptor>
  </acceptors>
  <security-settings>
    <security-setting match="#">
      ${permissions.map((name) => `<permission type="${name}" roles="all"/>`).join("\n      ")}
      <permission type="consume" roles="all,few"/>
      <permission type="send" roles="all,few"/>
    </security-setting>
    <security-setting match="closed.#">
      ${[...permissions, "consume", "send"].map((name) => `<permission type="${name}" roles="all"/>`).join("\n      ")}
    </security-setting>
  </security-settings>
  <address-settings>
    <address-setting match="#">
      <dead-letter-address>DLQ</dead-letter-address>
      <max-delivery-attempts>-1</max-delivery-attempts>
      <auto-delete-queues>false</auto-delete-queues>
      <auto-delete-addresses>false</auto-delete-addresses>
    </address-setting>
    <address-setting match="limited.#">
      <dead-letter-address>DLQ</dead-letter-address>
      <max-delivery-attempts>3</max-delivery-attempts>
      <auto-delete-queues>false</auto-delete-queues>
    </address-setting>
    <address-setting match="full.#">
      <max-size-bytes>20000</max-size-bytes>
      <address-full-policy>FAIL</address-full-policy>
      <auto-delete-queues>false</auto-delete-queues>
    </address-setting>
    ${addressSettings}
  </address-settings>
  <addresses>
    <address name="DLQ"><anycast><queue name="DLQ"/></anycast></address>
    <address name="jobs"><anycast><queue name="jobs"/></anycast></address>
  </addresses>
</core></configuration>
`;
}

async function install(): Promise<void> {
  const missing = [
    ...(java() === undefined ? ["default-jre-headless"] : []),
    ...(existsSync(home()) || findProgram("mvn") !== undefined ? [] : ["maven"]),
  ];
  if (missing.length > 0) await installPackages(...missing);
  if (process.env["CUFFLINK_TEST_INSTALL"] === "0" && !existsSync(home())) {
    throw new Error("not installed, and CUFFLINK_TEST_INSTALL=0 forbids to fetch it");
  }
  await withFileLock("cufflink-artemis", async () => {
    if (existsSync(home())) return;
    await mkdir(cache(), { recursive: true });
    const fresh = await mkdtemp(join(cache(), "fetching-"));
    try {
      const goal = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:unpack";
      const artifact = `-Dartifact=org.apache.activemq:apache-artemis:${version}:zip:bin`;
      await run(
        findProgram("mvn") ?? "mvn",
        ["-B", "-q", goal, artifact, `-DoutputDirectory=${fresh}`],
        // Without a project it leaves a marker in the working directory.
        { cwd: fresh, timeout: 600_000, maxBuffer: 64 << 20 },
      );
      await rename(join(fresh, `apache-artemis-${version}`), home());
    } catch (error) {
      const said = error instanceof Error && "stdout" in error ? String(error.stdout) : "";
      const reason = /ERROR.*/.exec(said)?.[0] ?? String(error);
      throw new Error(`Maven could not fetch Artemis: ${reason}`, { cause: error });
    } finally {
      await rm(fresh, { recursive: true, force: true });
    }
  });
}

function cache(): string {
  return join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "cufflink");
}

/** An Artemis that somebody unpacked, or what Maven fetched. */
function home(): string {
  const folder = process.env["ARTEMIS_HOME"];
  return folder === undefined || folder === "" ? join(cache(), `artemis-${version}`) : folder;
}

function java(): string | undefined {
  const folder = process.env["JAVA_HOME"];
  const own = folder === undefined || folder === "" ? [] : [join(folder, "bin", "java")];
  return findProgram(...own, "java");
}
