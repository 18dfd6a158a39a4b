// The floor: what a gRPC call costs in Node at the least. It decodes each InvokeBindingRequest and
// answers its data, straight on node:http2, and checks and counts nothing.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createServer, type ServerHttp2Stream } from "node:http2";
import {
  InvokeBindingRequestSchema,
  InvokeBindingResponseSchema,
} from "../gen/dapr/proto/runtime/v1/dapr_pb.ts";

const server = createServer({ settings: { initialWindowSize: 4 * 1024 * 1024 } });
server.on("stream", (stream: ServerHttp2Stream) => {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => answer(stream, Buffer.concat(chunks)));
});
server.listen(Number(process.argv[2]), "127.0.0.1");

function answer(stream: ServerHttp2Stream, body: Buffer): void {
  const { data } = fromBinary(InvokeBindingRequestSchema, body.subarray(5));
  const message = toBinary(
    InvokeBindingResponseSchema,
    create(InvokeBindingResponseSchema, { data }),
  );
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.end(frame);
}
