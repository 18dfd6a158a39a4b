import { connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  InvokeBindingBatchRequestSchema,
  InvokeBindingStreamRequestSchema,
} from "../../gen/cufflink/v1/bindings_pb.ts";
import { InvokeBindingRequestSchema } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { answerOf, frame } from "../grpc/raw-client.ts";
import { serve, type Served } from "../server/serve.ts";

/** An operation that does not look at its signal, called over each road by a caller that has no clock of its own. */
let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(async () => {
  served.release();
  await served[Symbol.asyncDispose]();
});

const unary = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";
const batch = "/cufflink.v1.Bindings/InvokeBindingBatch";
const stream = "/cufflink.v1.Bindings/InvokeBindingStream";
const one = { name: "probe", operation: "pause" };
const messages = {
  [unary]: toBinary(InvokeBindingRequestSchema, create(InvokeBindingRequestSchema, one)),
  [batch]: toBinary(
    InvokeBindingBatchRequestSchema,
    create(InvokeBindingBatchRequestSchema, { invocations: [one] }),
  ),
  [stream]: toBinary(
    InvokeBindingStreamRequestSchema,
    create(InvokeBindingStreamRequestSchema, {
      chunks: [{ invocation: 1, start: one, last: true }],
    }),
  ),
} as const;

test.each([
  ["gRPC", unary],
  ["a batch over gRPC", batch],
  ["a stream over gRPC", stream],
] as const)("%s: DEADLINE_EXCEEDED though the operation goes on", async (_, path) => {
  const session = connect(`http://127.0.0.1:${served.port}`);
  try {
    const call = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      "grpc-timeout": "50m",
    });
    const answer = answerOf(call);
    call.end(frame(messages[path]));
    expect(await answer).toMatchObject({ status: 4 });
  } finally {
    session.destroy();
  }
});

test.each([
  ["Connect with JSON", unary, "application/json", JSON.stringify(one)],
  ["Connect with bytes", unary, "application/proto", messages[unary]],
  ["a batch over Connect", batch, "application/proto", messages[batch]],
  ["a stream over Connect", stream, "application/connect+proto", frame(messages[stream])],
])("%s: deadline_exceeded though the operation goes on", async (_, path, type, body) => {
  const session = connect(`http://127.0.0.1:${served.port}`);
  try {
    const call = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": type,
      "connect-protocol-version": "1",
      "connect-timeout-ms": "50",
    });
    call.end(body);
    let text = "";
    for await (const chunk of call) text += String(chunk);
    expect(text).toContain('"code":"deadline_exceeded"');
  } finally {
    session.destroy();
  }
});

test("gRPC-Web: DEADLINE_EXCEEDED though the operation goes on", async () => {
  const answer = await fetch(`http://127.0.0.1:${served.port}${unary}`, {
    method: "POST",
    headers: { "content-type": "application/grpc-web+proto", "grpc-timeout": "50m" },
    body: frame(messages[unary]),
  });
  expect(await answer.text()).toContain("grpc-status: 4");
});
