// The daemon with implementations of gRPC as its clients and its apps.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterAll, describe, expect, test } from "vitest";
import {
  InvokeBindingStreamRequestSchema,
  InvokeBindingStreamResponseSchema,
} from "../../gen/cufflink/v1/bindings_pb.ts";
import { BindingEventRequestSchema } from "../../gen/dapr/proto/runtime/v1/appcallback_pb.ts";
import {
  InvokeBindingRequestSchema,
  InvokeBindingResponseSchema,
} from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { startDaemon } from "../e2e/daemon.ts";
import { buildPeer, missingTools, peers, startClient, startServer } from "./peers.ts";

const folder = mkdtempSync(join(tmpdir(), "cufflink-peers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const files = {
  ...{ name: "files", type: "bindings.localstorage" },
  metadata: { rootPath: folder },
};
const invoke = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";
const stream = "/cufflink.v1.Bindings/InvokeBindingStream";

for (const peer of peers) {
  if (missingTools(peer).length > 0) continue;
  describe(`${peer.name} ${peer.version}`, () => {
    test("invokes outputs of the daemon", { timeout: 1_200_000 }, async () => {
      await buildPeer(peer);
      await using daemon = await startDaemon({
        components: [files],
      });
      await using client = await startClient(peer, daemon.grpcPort);
      const data = Buffer.alloc(100_000, "grüße ");
      const request = (operation: string, sent = Buffer.alloc(0)): string =>
        Buffer.from(
          toBinary(
            InvokeBindingRequestSchema,
            create(InvokeBindingRequestSchema, {
              ...{ name: "files", operation, data: sent },
              metadata: { fileName: `${peer.name}.txt` },
            }),
          ),
        ).toString("base64");
      const unary = { op: "unary", path: invoke } as const;
      const created = await client.call({ ...unary, messages: [request("create", data)] });
      expect(created).toMatchObject({ code: 0, count: 1 });
      const got = await client.call({ ...unary, messages: [request("get")] });
      expect(got).toMatchObject({ code: 0 });
      expect(got.bytes).toBeGreaterThan(100_000);
      const many = await client.many({
        ...{ path: invoke, messages: [request("get")], count: 1000, concurrency: 100 },
      });
      expect(many).toMatchObject({ codes: { 0: 1000 }, bytes: got.bytes * 1000 });
      const deleted = await client.call({ ...unary, messages: [request("delete")] });
      expect(deleted).toMatchObject({ code: 0, count: 1 });
      const answer = fromBinary(
        InvokeBindingResponseSchema,
        Buffer.from(deleted.first ?? "", "base64"),
      );
      expect(answer.data.length).toBe(0);
      const none = await client.call({ ...unary, messages: [request("get")] });
      expect(none.code).not.toBe(0);
      expect(none.text).toContain(`${peer.name}.txt`);
    });

    test("invokes outputs on a stream", { timeout: 60_000 }, async () => {
      await using daemon = await startDaemon({
        components: [files],
      });
      await using client = await startClient(peer, daemon.httpPort);
      const chunks = (invocation: number) => ({
        ...{ invocation, start: { name: "files", operation: "list" }, last: true },
      });
      const messages = [1, 2, 3].map((invocation) =>
        Buffer.from(
          toBinary(
            InvokeBindingStreamRequestSchema,
            create(InvokeBindingStreamRequestSchema, { chunks: [chunks(invocation)] }),
          ),
        ).toString("base64"),
      );
      const told = await client.call({ op: "chat", path: stream, messages });
      expect(told).toMatchObject({ code: 0 });
      const first = fromBinary(
        InvokeBindingStreamResponseSchema,
        Buffer.from(told.first ?? "", "base64"),
      );
      expect(first.chunks.length).toBeGreaterThan(0);
    });

    test("is an app of the daemon: events are delivered", { timeout: 60_000 }, async () => {
      await using app = await startServer(peer);
      await using _daemon = await startDaemon({
        components: [{ name: "tick", type: "bindings.cron", metadata: { schedule: "@every 1s" } }],
        flags: ["--app-port", String(app.port), "--app-protocol", "grpc"],
      });
      const delivered = () => app.program.said.filter(({ event }) => event === "delivered");
      await app.program.heard("three events", () => delivered().length >= 3);
      const event = fromBinary(
        BindingEventRequestSchema,
        Buffer.from(delivered()[0]?.data ?? "", "base64"),
      );
      expect(event.name).toBe("tick");
    });
  });
}
