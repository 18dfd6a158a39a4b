import { describe, expect, test, vi } from "vitest";
import cron from "../../src/bindings/cron/index.ts";
import { handled, refused } from "../runtime/fake-app.ts";
import { describeWith } from "../servers/describe-with.ts";
import { read, testRestart, testSource } from "./contract.ts";
import { dingtalkSource } from "./alicloud/alicloud.dingtalk.webhook/contract-source.ts";
import { mqtt5Source } from "./mqtt/mqtt5/contract-source.ts";
import {
  fileSource,
  kafkaSource,
  mqttSource,
  quorumSource,
  rabbitmqSource,
  webhookSource,
} from "./contract-sources.ts";
import { natsSource } from "./nats/contract-source.ts";
import { streamsSource } from "./redis/redis.streams/contract-source.ts";
import { sftpSource } from "./sftp/contract-source.ts";
import { postgresSource } from "./postgres/contract-source.ts";

describe("on this machine", () => {
  testSource("file", fileSource);
  testSource("webhook", webhookSource);
  testSource("alicloud.dingtalk.webhook", dingtalkSource);

  test("cron: a tick that is not handled comes again, one that is handled never", async () => {
    const place = { properties: { schedule: "@every 1s" } };
    const { app, status } = await read({ binding: cron }, place, (_text, { attempt }) =>
      attempt < 3 ? refused() : handled,
    );
    await vi.waitFor(() => expect(status().handled).toBe(2), { timeout: 10_000, interval: 5 });
    const ticks = app.deliveries.map(({ metadata }) => metadata["readTimeUTC"]);
    expect(app.deliveries.map(({ attempt }) => attempt)).toEqual([1, 2, 3, 1, 2, 3]);
    expect(new Set(ticks.slice(0, 3)).size).toBe(1);
    expect(new Set(ticks).size).toBe(2);
  });
});

describeWith("kafka", (server) => testSource("kafka", kafkaSource(server)));
describeWith("rabbitmq", (server) => {
  testSource("rabbitmq", rabbitmqSource(server));
  testSource("rabbitmq, a quorum queue", quorumSource(server));
});
describeWith("openssh", { own: true }, (server) => {
  testSource("sftp", sftpSource(server));
  testRestart("sftp", sftpSource(server), server);
});

describeWith("mosquitto", (server) => {
  testSource("mqtt3", mqttSource(server));
  testSource("mqtt5", mqtt5Source(server, 1));
  testSource("mqtt5, QoS 2", mqtt5Source(server, 2));
});
describeWith("postgres", (server) => testSource("postgres", postgresSource(server)));

describeWith("nats", (server) => testSource("nats", natsSource(server)));
describeWith("redis", (server) => testSource("redis.streams", streamsSource(server)));

describeWith("kafka", { own: true }, (server) => testRestart("kafka", kafkaSource(server), server));
describeWith("rabbitmq", { own: true }, (server) => {
  testRestart("rabbitmq", rabbitmqSource(server), server);
  testRestart("rabbitmq, a quorum queue", quorumSource(server), server);
});
describeWith("mosquitto", { own: true }, (server) => {
  testRestart("mqtt3", mqttSource(server), server);
  testRestart("mqtt5", mqtt5Source(server, 1), server);
  testRestart("mqtt5, QoS 2", mqtt5Source(server, 2), server);
});
describeWith("postgres", { own: true }, (server) =>
  testRestart("postgres", postgresSource(server), server),
);
describeWith("nats", { own: true }, (server) => testRestart("nats", natsSource(server), server));
describeWith("redis", { own: true }, (server) =>
  testRestart("redis.streams", streamsSource(server), server),
);
