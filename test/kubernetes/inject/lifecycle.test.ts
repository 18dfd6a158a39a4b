import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { injectWorkload } from "../../../src/kubernetes/inject/workload.ts";
import { Command } from "../../cli/command.ts";
import { startHttpApp } from "../../cli/http-app.ts";
import { component, folder } from "../../resources/folder.ts";
import { releasePort, reservePort } from "../../servers/ports.ts";
import { until } from "../../until.ts";
import { asking, at, deployment, options, sidecar } from "./objects.ts";

// What Kubernetes does with the container that is put in: its arguments, its probe, its preStop and the signal, in their
// order. Only the place of the resources is another one.
test("the sidecar is started without the app, stops inputs at preStop, and serves outputs until the signal", async () => {
  const inbox = folder({});
  const ports = await Promise.all([1, 2, 3, 4].map(() => reservePort()));
  onTestFinished(async () => void (await Promise.all(ports.map(releasePort))));
  const [grpc = 0, metrics = 0, http = 0, probed = 0] = ports;
  const seen: string[] = [];
  const app = await startHttpApp(async (path, body) => {
    if (path === "/inbox") seen.push(body.toString());
    return { status: 200 };
  });
  const { object } = injectWorkload(
    deployment(
      asking({
        ...{ "app-port": String(app.port), "grpc-port": String(grpc) },
        ...{ "metrics-port": String(metrics), "log-as-json": "true" },
      }),
    ),
    options,
  );
  const container = sidecar(object);
  const resources = folder({
    "inbox.yaml": component(
      "inbox",
      "bindings.file",
      `- {name: folder, value: "${inbox}"}\n- {name: quietTime, value: 10ms}\n- {name: direction, value: input}`,
    ),
    "notes.yaml": component(
      "notes",
      "bindings.localstorage",
      `- {name: rootPath, value: "${folder({})}"}`,
    ),
  });
  const here: Readonly<Record<string, string>> = {
    ...{ kubernetes: "standalone", "$(CUFFLINK_POD_IP)": "127.0.0.1", "/state": folder({}) },
    ...{ "3500": String(http), "3501": String(probed) },
  };
  const args = (container["args"] as string[]).map((one) => here[one] ?? one);
  const daemon = new Command([...args, "--resources-path", resources]);

  const { path } = at(container, "startupProbe", "httpGet");
  await until(
    () =>
      fetch(`http://127.0.0.1:${probed}${path as string}`).then(
        ({ status }) => status === 204,
        () => false,
      ),
    { what: "the start-up probe" },
  );
  writeFileSync(join(inbox, "first.txt"), "first");
  await until(() => seen.length === 1, { what: "the first event" });

  const [program, ...words] = at(container, "lifecycle", "preStop", "exec")["command"] as string[];
  expect(program).toBe("cufflink");
  const preStop = new Command(words);
  expect(await preStop.exited, preStop.stderr).toBe(0);
  writeFileSync(join(inbox, "second.txt"), "second");
  const invoke = (): Promise<Response> =>
    fetch(`http://127.0.0.1:${http}/v1.0/bindings/notes`, {
      method: "POST",
      body: JSON.stringify({ operation: "create", data: "x", metadata: { fileName: "x" } }),
    });
  expect((await invoke()).status).toBe(200);
  const answer = await fetch(`http://127.0.0.1:${grpc}/cufflink.v1.Operations/ListComponents`, {
    ...{ method: "POST", body: "{}", headers: { "content-type": "application/json" } },
  });
  const text = await answer.text();
  expect(text).toMatch(/inbox.*PAUSED|PAUSED.*inbox/i);
  expect((await invoke()).status).toBe(200);
  daemon.signal("SIGTERM");
  expect(await daemon.exited, daemon.stdout).toBe(0);
  expect(seen).toEqual(["first"]);
});

test("the start-up probe passes while there is no app", async () => {
  const [http, grpc, probed] = await Promise.all([1, 2, 3].map(() => reservePort()));
  onTestFinished(
    async () => void (await Promise.all([http, grpc, probed].map((one) => releasePort(one ?? 0)))),
  );
  const nobody = await reservePort();
  onTestFinished(() => releasePort(nobody));
  const annotations = asking({ "app-port": String(nobody), "enable-metrics": "false" });
  const { object } = injectWorkload(
    deployment({ ...annotations, "dapr.io/grpc-port": String(grpc) }),
    options,
  );
  const resources = folder({
    "tick.yaml": component("tick", "bindings.cron", '- {name: schedule, value: "@yearly"}'),
  });
  const here: Readonly<Record<string, string>> = {
    ...{ kubernetes: "standalone", "$(CUFFLINK_POD_IP)": "127.0.0.1", "/state": folder({}) },
    ...{ "3500": String(http), "3501": String(probed) },
  };
  const args = (sidecar(object)["args"] as string[]).map((one) => here[one] ?? one);
  const daemon = new Command([...args, "--resources-path", resources]);
  for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"]) {
    const { path } = at(sidecar(object), probe, "httpGet");
    await until(
      () =>
        fetch(`http://127.0.0.1:${probed}${path as string}`).then(
          ({ status }) => status === 204,
          () => false,
        ),
      { what: probe },
    );
  }
  daemon.signal("SIGTERM");
  expect(await daemon.exited).toBe(0);
});
