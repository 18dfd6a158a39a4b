// An app that takes events one by one through Dapr's OnBindingEvent, straight on node:http2: it looks at the payload's
// first bytes, and answers the same bytes each time. It has no event stream, so that Cufflink falls back to this.
import { createServer, type ServerHttp2Stream } from "node:http2";
import { Report, reportFailures, send } from "../apps/report.ts";
import { grpcFrame } from "../wire/grpc.ts";
import { Cursor } from "../wire/protobuf.ts";

const dataField = 2;
const callback = "/dapr.proto.runtime.v1.AppCallback/";

reportFailures();
const report = new Report(false);
const cursor = new Cursor();
const empty = grpcFrame(new Uint8Array(0));
// ListInputBindingsResponse: bindings = ["in"].
const list = grpcFrame(Buffer.from([0x0a, 2, 0x69, 0x6e]));
// Names and values in turn, which Node sends as they are.
const head = [":status", "200", "content-type", "application/grpc"];
const trailersFollow = { waitForTrailers: true, sendDate: false } as const;
const unimplemented = [...head, "grpc-status", "12"];
const ok = { "grpc-status": "0" };

const server = createServer({
  settings: { initialWindowSize: 1 << 20, maxConcurrentStreams: 1000 },
});
server.on("session", (session) => session.setLocalWindowSize(16 << 20));
server.on("stream", (stream: ServerHttp2Stream, headers) => {
  const path = headers[":path"];
  stream.on("error", () => {});
  if (path === `${callback}OnBindingEvent`) takeEvent(stream);
  else if (path === `${callback}ListInputBindings`)
    stream.resume().on("end", () => answer(stream, list));
  else {
    stream.respond(unimplemented, { endStream: true });
    stream.resume();
  }
});
server.listen(report.order.port, "127.0.0.1", () => send({ kind: "listening" }));

function takeEvent(stream: ServerHttp2Stream): void {
  let whole: Buffer | undefined;
  stream.on("data", (chunk: Buffer) => {
    whole = whole === undefined ? chunk : Buffer.concat([whole, chunk]);
  });
  stream.on("end", () => {
    const body = whole!;
    cursor.reset(5, body.length);
    while (cursor.next(body)) if (cursor.field === dataField) report.event(body, cursor.start);
    answer(stream, empty);
  });
}

function answer(stream: ServerHttp2Stream, frame: Buffer): void {
  stream.respond(head, trailersFollow);
  stream.on("wantTrailers", sendOk);
  stream.end(frame);
}

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(ok);
}
