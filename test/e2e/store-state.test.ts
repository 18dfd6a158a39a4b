import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../gen/grpc/health/v1/health_pb.ts";
import { cufflink } from "../cli/command.ts";
import { startServing } from "../cli/serving.ts";
import { component, folder } from "../resources/folder.ts";
import { releasePort, reservePort } from "../servers/ports.ts";

const tick = {
  "tick.yaml": component("tick", "bindings.cron", "- {name: schedule, value: '@every 1h'}"),
};

test("a store without a place is told at the start: in the log, health, components and metrics", async () => {
  const metrics = await reservePort();
  const { command, http, grpc } = await startServing(
    tick,
    ["--enable-metrics=true", "--metrics-port", String(metrics)],
    { XDG_STATE_HOME: "" },
  );
  const trouble = /there is no place for durable records: .*say --state-dir FOLDER/;
  await command.printed(trouble);
  expect(command.stdout.match(/no place for durable records/g)).toHaveLength(1);

  const get = (path: string) => fetch(`http://127.0.0.1:${http}/v1.0/healthz${path}`);
  const answer = await get("/store");
  expect(answer.status).toBe(503);
  expect(await answer.text()).toMatch(trouble);
  // It stops nothing.
  expect([(await get("")).status, (await get("/ready")).status]).toEqual([204, 204]);
  const health = createClient(Health, createGrpcTransport({ baseUrl: `http://127.0.0.1:${grpc}` }));
  expect((await health.check({ service: "cufflink.store" })).status).toBe(Status.NOT_SERVING);
  const listed = await cufflink(["components", "--address", `127.0.0.1:${grpc}`]);
  expect(listed.stdout).toContain("tick");
  expect(listed.stderr).toMatch(trouble);
  const page = await fetch(`http://127.0.0.1:${metrics}/metrics`).then((one) => one.text());
  expect(page).toMatch(/^cufflink_store_trouble\{.*\} 1$/m);
  await releasePort(metrics);
});

test("a state folder that another process has is told at the start, and which process", async () => {
  const flags = ["--state-dir", folder({})];
  const first = await startServing(tick, flags);
  const paused = await cufflink([
    ...["components", "pause", "tick", "--address", `127.0.0.1:${first.grpc}`],
  ]);
  expect(paused.code).toBe(0);
  const second = await startServing(tick, flags);
  await second.command.printed(
    new RegExp(`cannot use the store .*: process ${first.command.child.pid} uses it; end that`),
  );
  const store = (port: number) => fetch(`http://127.0.0.1:${port}/v1.0/healthz/store`);
  expect((await store(second.http)).status).toBe(503);
  expect((await store(first.http)).status).toBe(204);
});
