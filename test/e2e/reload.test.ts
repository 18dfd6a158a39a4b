import { mkdir, mkdtemp, readFile, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { component } from "../resources/folder.ts";
import { describeWith, uniqueName } from "../servers/describe-with.ts";
import { reservePort } from "../servers/ports.ts";
import { until } from "../until.ts";
import { recorded, startApp } from "./app-process.ts";
import { startDaemon, type Daemon } from "./daemon.ts";
import { kafkaProducer, rabbitmqProducer } from "./producers.ts";

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "cufflink-reload-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** An output that writes into a folder. */
const notes = (name: string, root: string, rest = ""): string =>
  component(name, "bindings.localstorage", `- {name: rootPath, value: "${root}"}`, rest);

/** Waits until the daemon has said it so often. */
async function said(daemon: Daemon, text: RegExp, times = 1): Promise<void> {
  await until(() => [...daemon.output().matchAll(new RegExp(text, "g"))].length >= times, {
    what: () => `${text} to be said ${times} times:\n${daemon.output().slice(-3000)}`,
    within: 20_000,
  });
}

async function invoke(daemon: Daemon, name: string, fileName: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${daemon.httpPort}/v1.0/bindings/${name}`, {
    method: "POST",
    body: JSON.stringify({ operation: "create", data: "x", metadata: { fileName } }),
  });
  return response.status;
}

const file = (daemon: Daemon): string => join(daemon.folder, "components.yaml");

async function becomes(daemon: Daemon, name: string, state: string | undefined): Promise<void> {
  await until(async () => (await daemon.state(name)) === state, {
    what: () => `${name} to be ${state}:\n${daemon.output().slice(-3000)}`,
  });
}

test("components are created, changed, renamed, scoped away and deleted as their files are", async () => {
  const [one, two] = [await temporaryFolder(), await temporaryFolder()];
  await using daemon = await startDaemon({ components: [notes("notes", one)] });
  await becomes(daemon, "notes", "running");
  const more = join(daemon.folder, "more.yml");
  await writeFile(more, notes("more", one));
  await becomes(daemon, "more", "running");
  expect(await invoke(daemon, "notes", "a")).toBe(200);
  // Replaced, as editors do.
  await writeFile(join(daemon.folder, ".tmp"), notes("notes", two));
  await rename(join(daemon.folder, ".tmp"), file(daemon));
  await said(daemon, /\[notes\] component changed/);
  expect(await invoke(daemon, "notes", "b")).toBe(200);
  expect(await readFile(join(two, "b"), "utf8")).toBe("x");
  await writeFile(file(daemon), notes("renamed", two));
  await becomes(daemon, "renamed", "running");
  await becomes(daemon, "notes", undefined);
  expect(await invoke(daemon, "notes", "c")).toBe(500);
  await writeFile(file(daemon), notes("renamed", two, "scopes: [another]"));
  await becomes(daemon, "renamed", undefined);
  await writeFile(file(daemon), notes("renamed", two, "scopes: [another, e2e]"));
  await becomes(daemon, "renamed", "running");
  await writeFile(file(daemon), "");
  await becomes(daemon, "renamed", undefined);
  await unlink(more);
  await becomes(daemon, "more", undefined);
});

test("a file that is broken, or half-written, changes nothing until it is whole", async () => {
  const root = await temporaryFolder();
  await using daemon = await startDaemon({ components: [notes("notes", root)] });
  await becomes(daemon, "notes", "running");
  const whole = notes("notes", root, "# changed");
  const cuts = [12, 30, 60, 90, 110];
  for (const [index, at] of cuts.entries()) {
    await writeFile(file(daemon), whole.slice(0, at));
    await said(daemon, /resources have changed.*outcome=refused/, index + 1);
    expect(await daemon.state("notes")).toBe("running");
    expect(await invoke(daemon, "notes", `f${at}`)).toBe(200);
  }
  await writeFile(file(daemon), notes("notes", root, "metadata: [").replace("v1\n", "v9\n"));
  await said(daemon, /outcome=refused/, cuts.length + 1);
  await writeFile(file(daemon), notes("notes", join(root, "deep")));
  await said(daemon, /component changed/);
  expect(await invoke(daemon, "notes", "last")).toBe(200);
  expect(await readFile(join(root, "deep/last"), "utf8")).toBe("x");
});

test("a changed Resiliency is in force, and one with a mistake leaves the policies as they were", async () => {
  const root = await temporaryFolder();
  const retries = (policy: string): string =>
    `apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: {name: shop}\nspec:\n  policies: {retries: {all: ${policy}}}\n  targets: {components: {notes: {outbound: {retry: all}}}}\n`;
  await using daemon = await startDaemon({
    components: [notes("notes", root), retries("{maxRetries: 6}")],
  });
  const ask = async (method: string, request: object): Promise<string> => {
    const url = `http://127.0.0.1:${daemon.httpPort}/cufflink.v1.Operations/${method}`;
    const headers = { "content-type": "application/json" };
    return (await fetch(url, { method: "POST", headers, body: JSON.stringify(request) })).text();
  };
  const policy = () => ask("DescribePolicies", { name: "notes" });
  await becomes(daemon, "notes", "running");
  expect(await policy()).toContain('"7"');
  const change = (text: string) =>
    writeFile(file(daemon), `${notes("notes", root)}---\n${retries(text)}`);
  await change("{maxRetries: 6, policy: konstant}");
  await said(daemon, /resources have changed.*outcome=refused/);
  expect(daemon.output()).toContain('did you mean "constant"?');
  expect(await policy()).toContain('"7"');
  await change("{maxRetries: 8}");
  await said(daemon, /resources have changed.*revision=2 outcome=applied/);
  expect(await policy()).toContain('"9"');
  expect(JSON.parse(await ask("Reload", {}))).toMatchObject({
    result: { outcome: "RELOAD_OUTCOME_UNCHANGED" },
  });
});

test("a mounted volume whose version is swapped, and a secret that is rotated", async () => {
  const [mount, one, two] = [
    await temporaryFolder(),
    await temporaryFolder(),
    await temporaryFolder(),
  ];
  const secrets = join(mount, "secrets.json");
  await writeFile(secrets, JSON.stringify({ root: one }));
  const store = component(
    "vault",
    "secretstores.local.file",
    `- {name: secretsFile, value: "${secrets}"}`,
  );
  const version = async (name: string, text: string): Promise<void> => {
    await mkdir(join(mount, name));
    await writeFile(join(mount, name, "notes.yaml"), text);
    await symlink(name, join(mount, "..data_tmp"));
    await rename(join(mount, "..data_tmp"), join(mount, "..data"));
  };
  const bySecret = component(
    "notes",
    "bindings.localstorage",
    "- {name: rootPath, secretKeyRef: {name: root, key: root}}",
    "auth: {secretStore: vault}",
  );
  await version("..1", notes("notes", two));
  await symlink("..data/notes.yaml", join(mount, "notes.yaml"));
  await using daemon = await startDaemon({
    components: [store],
    flags: ["--resources-path", mount],
  });
  await becomes(daemon, "notes", "running");
  await version("..2", bySecret);
  await said(daemon, /component changed/);
  expect(await invoke(daemon, "notes", "a")).toBe(200);
  expect(await readFile(join(one, "a"), "utf8")).toBe("x");
  await writeFile(secrets, '{"root": ');
  await said(daemon, /could not be taken over/);
  expect(await invoke(daemon, "notes", "b")).toBe(200);
  await writeFile(secrets, JSON.stringify({ root: two }));
  await said(daemon, /component changed/, 2);
  expect(await invoke(daemon, "notes", "c")).toBe(200);
  expect(await readFile(join(two, "c"), "utf8")).toBe("x");
});

test("with HotReload off only SIGHUP reads again; what the configuration denies is left out", async () => {
  const root = await temporaryFolder();
  const config = join(root, "config.yaml");
  const configuration = (features: string): string =>
    `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\nspec:\n  features: [${features}]\n  components: {deny: [bindings.http/v1]}\n  mtls: {enabled: true}\n`;
  await writeFile(config, configuration("{name: HotReload, enabled: false}"));
  const denied = component("web", "bindings.http", '- {name: url, value: "http://localhost"}');
  await using daemon = await startDaemon({
    components: [notes("notes", root), denied],
    flags: ["--config", config],
  });
  await becomes(daemon, "notes", "running");
  expect(await daemon.state("web")).toBe(undefined);
  expect(daemon.output()).toMatch(/bindings\.http\/v1 are denied/);
  expect(daemon.output()).toMatch(/has no effect here: spec\.mtls/);
  await writeFile(file(daemon), notes("renamed", root));
  daemon.process.kill("SIGHUP");
  await becomes(daemon, "renamed", "running");
  expect(daemon.output()).not.toContain("resources have changed");
});

test("a webhook keeps its port and path over a change; a sender that repeats loses nothing", async () => {
  const [folder, port, appPort] = [
    await temporaryFolder(),
    await reservePort(),
    await reservePort(),
  ];
  const app = await startApp({ port: appPort, file: join(folder, "events"), bindings: ["hook"] });
  onTestFinished(() => app.kill());
  const hook = (maxInFlight: number): string =>
    component(
      "hook",
      "bindings.webhook",
      `- {name: address, value: "127.0.0.1:${port}"}\n- {name: maxInFlight, value: "${maxInFlight}"}`,
    );
  await using daemon = await startDaemon({
    components: [hook(1)],
    flags: ["--app-port", String(appPort), "--app-protocol", "grpc"],
  });
  await becomes(daemon, "hook", "running");
  let sent = 0;
  const changed = new AbortController();
  const send = async (): Promise<void> => {
    for (; !changed.signal.aborted; sent++) {
      const body = `${sent}`;
      await until(
        async () =>
          (await fetch(`http://127.0.0.1:${port}/hook`, { method: "POST", body })).status < 300,
        { what: `${body} to be taken` },
      );
    }
  };
  const sender = send();
  for (let change = 1; change <= 3; change++) {
    await writeFile(file(daemon), hook(change + 1));
    await said(daemon, /\[hook\] component changed/, change);
  }
  changed.abort();
  await sender;
  const texts = (await recorded(join(folder, "events"))).map(({ text }) => text);
  expect(texts).toEqual(Array.from({ length: sent }, (_, index) => String(index)));
});

describeWith(["kafka", "rabbitmq"], ({ kafka, rabbitmq }) => {
  test(
    "12 edits while events flow, half of them invalid: nothing is lost, and what is invalid changes nothing",
    { timeout: 120_000 },
    async () => {
      const topic = uniqueName("reload");
      await kafka.createTopic(topic, 2);
      const folder = await temporaryFolder();
      const port = await reservePort();
      const app = await startApp({ port, file: join(folder, "events"), bindings: [] });
      onTestFinished(() => app.kill());
      const source = (edit: number, broker = kafka.brokers, host = rabbitmq.url): string =>
        [
          component(
            "orders",
            "bindings.kafka",
            `- {name: brokers, value: "${broker}"}\n- {name: topics, value: ${topic}}\n- {name: consumerGroup, value: ${topic}}\n- {name: authType, value: none}\n- {name: initialOffset, value: oldest}\n- {name: direction, value: input}\n- {name: maxInFlight, value: "${10 + edit}"}`,
            "  initTimeout: 2s",
          ),
          component(
            "jobs",
            "bindings.rabbitmq",
            `- {name: host, value: "${host}"}\n- {name: queueName, value: ${topic}}\n- {name: durable, value: "true"}\n- {name: direction, value: input}\n- {name: maxInFlight, value: "${10 + edit}"}`,
            "  initTimeout: 2s",
          ),
        ].join("---\n");
      const nobody = "127.0.0.1:1";
      await using daemon = await startDaemon({
        components: [source(0)],
        flags: ["--app-port", String(port), "--app-protocol", "grpc"],
      });
      await becomes(daemon, "orders", "running");
      await becomes(daemon, "jobs", "running");
      await using toKafka = await kafkaProducer(kafka.brokers, topic);
      await using toRabbitmq = await rabbitmqProducer(rabbitmq.url, topic);
      const sent: string[] = [];
      const edited = new AbortController();
      const producing = (async () => {
        for (let number = 0; !edited.signal.aborted || number < 300; number++) {
          const [k, r] = [`k${number}`, `r${number}`];
          await Promise.all([toKafka.send(String(number % 7), k), toRabbitmq.send("", r)]);
          sent.push(k, r);
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      })();
      for (let edit = 1; edit <= 12; edit++) {
        const invalid = [
          source(edit).replace("value: oldest", "value: [oldest"),
          source(edit, nobody, `amqp://guest:guest@${nobody}`),
          source(edit).replaceAll(/maxInFlight, value: "\d+"/g, 'maxInFlight, value: "many"'),
        ];
        const text = edit % 2 === 0 ? source(edit) : (invalid[((edit - 1) / 2) % 3] ?? "");
        await writeFile(file(daemon), text);
        await said(daemon, /resources have changed/, edit);
      }
      edited.abort();
      await producing;
      const accepted = async (): Promise<string[]> =>
        (await recorded(join(folder, "events"))).map(({ text: one }) => one);
      await until(async () => new Set(await accepted()).size === sent.length, {
        what: () => `all ${sent.length} events:\n${daemon.output().slice(-3000)}`,
        within: 30_000,
      });
      const outcomes = [...daemon.output().matchAll(/resources have changed.*outcome=(\w+)/g)];
      expect(outcomes.map(([, outcome]) => outcome)).toEqual(
        Array.from({ length: 12 }, (_, index) => (index % 2 === 1 ? "applied" : "refused")),
      );
      const all = await accepted();
      // Drained, settled and confirmed before each hand-over.
      expect(all.length - new Set(all).size).toBe(0);
      const inOrder = all.filter((one) => one.startsWith("k")).map((one) => Number(one.slice(1)));
      for (let key = 0; key < 7; key++) {
        const ofKey = inOrder.filter((number) => number % 7 === key);
        expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b));
      }
      expect(await daemon.end()).toBe(0);
    },
  );
});
