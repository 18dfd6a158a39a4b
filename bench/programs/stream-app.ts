// An app that takes events through Cufflink's OnBindingEvents, straight on node:http2: it looks at each payload's first
// bytes, and settles all events of what it has read with one message.
import { createServer, type ServerHttp2Stream } from "node:http2";
import { Report, reportFailures, send } from "../apps/report.ts";
import { FrameSplitter } from "../wire/frames.ts";
import { grpcFrame } from "../wire/grpc.ts";
import { Cursor, varintSize, writeVarint } from "../wire/protobuf.ts";

/** Events that may be on their way at one time. */
const credit = 10_000;
const callback = "/dapr.proto.runtime.v1.AppCallback/";
const events = "/cufflink.v1.AppCallback/OnBindingEvents";

reportFailures();
const report = new Report(false);
// ListInputBindingsResponse: bindings = ["in"].
const list = grpcFrame(Buffer.from([0x0a, 2, 0x69, 0x6e]));
const head = { ":status": 200, "content-type": "application/grpc" } as const;
const trailersFollow = { waitForTrailers: true, sendDate: false } as const;

const server = createServer({ settings: { initialWindowSize: 4 << 20 } });
server.on("session", (session) => session.setLocalWindowSize(16 << 20));
server.on("stream", (stream: ServerHttp2Stream, headers) => {
  const path = headers[":path"];
  stream.on("error", () => {});
  if (path === events) takeEvents(stream);
  else if (path === `${callback}ListInputBindings`) {
    stream.resume().on("end", () => {
      stream.respond(head, trailersFollow);
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(list);
    });
  } else {
    stream.respond({ ...head, "grpc-status": "12" }, { endStream: true });
    stream.resume();
  }
});
server.listen(report.order.port, "127.0.0.1", () => send({ kind: "listening" }));

function takeEvents(stream: ServerHttp2Stream): void {
  stream.respond(head, trailersFollow);
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.write(grpcFrame(firstMessage()));
  const frames = new FrameSplitter();
  stream.on("data", (chunk: Buffer) => {
    const handled: number[] = [];
    frames.push(chunk, (bytes, start, end) => takeBatch(bytes, start, end, handled));
    if (handled.length > 0) stream.write(settlements(handled));
  });
  stream.on("end", () => stream.end());
}

const batch = new Cursor();
const delivered = new Cursor();
const event = new Cursor();

function takeBatch(bytes: Buffer, start: number, end: number, handled: number[]): void {
  batch.reset(start, end);
  while (batch.next(bytes)) {
    if (batch.field !== 2) continue;
    let delivery = 0;
    delivered.reset(batch.start, batch.end);
    while (delivered.next(bytes)) {
      if (delivered.field === 1) delivery = delivered.value;
      else if (delivered.field === 4) takeEvent(bytes, delivered.start, delivered.end);
    }
    handled.push(delivery);
  }
}

function takeEvent(bytes: Buffer, start: number, end: number): void {
  event.reset(start, end);
  while (event.next(bytes)) if (event.field === 1) report.event(bytes, event.start);
}

/** AppMessage: subscription = { ordered_pipelining: true }, credit. */
function firstMessage(): Buffer {
  const message = Buffer.alloc(5 + varintSize(credit));
  message.set([0x0a, 2, 0x10, 1, 0x10]);
  writeVarint(message, 5, credit);
  return message;
}

/** AppMessage, framed: as much credit as was used up, and the deliveries as handled. */
function settlements(handled: readonly number[]): Buffer {
  const packed = handled.reduce((sum, delivery) => sum + varintSize(delivery), 0);
  const length = 1 + varintSize(handled.length) + 1 + varintSize(packed) + packed;
  const frame = Buffer.allocUnsafe(5 + length);
  frame[0] = 0;
  frame.writeUInt32BE(length, 1);
  frame[5] = 0x10;
  let at = writeVarint(frame, 6, handled.length);
  frame[at] = 0x1a;
  at = writeVarint(frame, at + 1, packed);
  for (const delivery of handled) at = writeVarint(frame, at, delivery);
  return frame;
}
