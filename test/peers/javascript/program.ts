// A client and a server of grpc-js for messages that are plain bytes. Lines of JSON on standard input say what to do.
import { readFileSync } from "node:fs";
import {
  Client,
  type ClientReadableStream,
  compressionAlgorithms,
  credentials,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  status as statusCodes,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceError,
  type sendUnaryData,
  type ServerErrorResponse,
  type StatusObject,
} from "@grpc/grpc-js";
import {
  answerAsked,
  type Asked,
  fromBase64,
  Outcome,
  pathOf,
  requestsOf,
  type Told,
} from "../asked.ts";
import { Holds, onAsked, say } from "../said.ts";

const largest = 64 * 1024 * 1024;
const sizes = {
  "grpc.max_receive_message_length": largest,
  "grpc.max_send_message_length": largest,
};

function definition(path: string, requests: boolean, answers: boolean) {
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    ...{ path, requestStream: requests, responseStream: answers },
    ...{ requestSerialize: same, requestDeserialize: same },
    ...{ responseSerialize: same, responseDeserialize: same },
  } satisfies MethodDefinition<Buffer, Buffer>;
}

function toMetadata(entries: Asked["metadata"] = []): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of entries)
    metadata.add(name, name.endsWith("-bin") ? fromBase64(value) : value);
  return metadata;
}

function toEntries(metadata: Metadata | undefined): [string, string][] {
  if (metadata === undefined) return [];
  return Object.keys(metadata.getMap()).flatMap((name) =>
    metadata
      .get(name)
      .map((value): [string, string] => [
        name,
        typeof value === "string" ? value : value.toString("base64"),
      ]),
  );
}

function serve(port: string, files: readonly string[]): void {
  const holds = new Holds();
  const server = new Server(sizes);
  const text = (metadata: Metadata, name: string): string => String(metadata.get(name)[0] ?? "");
  const some = (metadata: Metadata, prefix: string): Metadata =>
    toMetadata(toEntries(metadata).filter(([name]) => name.startsWith(prefix)));
  const failure = (metadata: Metadata): ServerErrorResponse => {
    const trailers = some(metadata, "trail-");
    trailers.set("grpc-status-details-bin", metadata.get("details-bin")[0] ?? Buffer.alloc(0));
    const error = new Error("not now: grüße, 100 %");
    return Object.assign(error, {
      code: statusCodes.FAILED_PRECONDITION,
      details: error.message,
      metadata: trailers,
    });
  };
  type Unary = ServerUnaryCall<Buffer, Buffer>;
  server.addService(
    {
      Unary: definition("/cufflink.peers.Peer/Unary", false, false),
      Expand: definition("/cufflink.peers.Peer/Expand", false, true),
      Collect: definition("/cufflink.peers.Peer/Collect", true, false),
      Chat: definition("/cufflink.peers.Peer/Chat", true, true),
    },
    {
      Unary(call: Unary, answer: sendUnaryData<Buffer>) {
        const { metadata } = call;
        const end = (): void => answer(null, call.request, some(metadata, "trail-"));
        call.sendMetadata(some(metadata, "echo-"));
        const what = text(metadata, "do");
        if (what === "fail") answer(failure(metadata));
        else if (what === "hold") holds.add(end, (ended) => call.on("cancelled", ended));
        else end();
      },
      async Expand(call: ServerWritableStream<Buffer, Buffer>) {
        const { metadata } = call;
        call.sendMetadata(some(metadata, "echo-"));
        const message = Buffer.alloc(Number(text(metadata, "size")), "a");
        for (let left = Number(text(metadata, "count") || 1); left > 0; left--) {
          if (call.write(message)) continue;
          await new Promise<void>((resolve) => call.once("drain", resolve));
        }
        const end = (): void => call.end(some(metadata, "trail-"));
        const what = text(metadata, "do");
        if (what === "fail") call.emit("error", failure(metadata));
        else if (what === "hold") holds.add(end, (ended) => call.on("cancelled", ended));
        else end();
      },
      Collect(call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>) {
        let count = 0;
        let bytes = 0;
        call.sendMetadata(some(call.metadata, "echo-"));
        call.on("data", (message: Buffer) => {
          count++;
          bytes += message.length;
        });
        call.on("end", () =>
          answer(null, Buffer.from(`${count} ${bytes}`), some(call.metadata, "trail-")),
        );
      },
      Chat(call: ServerDuplexStream<Buffer, Buffer>) {
        call.sendMetadata(some(call.metadata, "echo-"));
        call.on("data", (message: Buffer) => {
          if (call.write(message)) return;
          call.pause();
          call.once("drain", () => call.resume());
        });
        call.on("end", () => call.end(some(call.metadata, "trail-")));
      },
    },
  );
  server.addService(
    {
      Deliver: definition("/dapr.proto.runtime.v1.AppCallback/OnBindingEvent", false, false),
      List: definition("/dapr.proto.runtime.v1.AppCallback/ListInputBindings", false, false),
    },
    {
      Deliver(call: Unary, answer: sendUnaryData<Buffer>) {
        say({ event: "delivered", data: call.request.toString("base64") });
        answer(null, Buffer.alloc(0));
      },
      List: (_: Unary, answer: sendUnaryData<Buffer>) => answer(null, Buffer.from("\n\u0004tick")),
    },
  );
  const [cert, key] = files.map((path) => readFileSync(path));
  const secure =
    cert === undefined || key === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [{ private_key: key, cert_chain: cert }]);
  server.bindAsync(`127.0.0.1:${port}`, secure, (error) => {
    if (error !== null) throw error;
    say({ event: "listening" });
  });
  onAsked(({ op }) => {
    if (op === "release") return holds.release();
    server.tryShutdown(() => {
      say({ event: "closed" });
      process.exit(0);
    });
  });
}

function run(client: Client, asked: Asked): Promise<Told> {
  const { op, timeout, cancelAfter } = asked;
  const metadata = toMetadata(asked.metadata);
  metadata.setOptions({ waitForReady: true });
  const options = timeout === undefined ? {} : { deadline: Date.now() + timeout };
  const path = pathOf(asked);
  const { requestSerialize: same } = definition(path, false, false);
  const messages = requestsOf(asked);
  const [first = Buffer.alloc(0)] = messages;
  const outcome = new Outcome(messages);
  return new Promise((resolve) => {
    let headers: Metadata | undefined;
    let failure: ServiceError | undefined;
    let ended = false;
    let status: StatusObject | undefined;
    const end = (): void => {
      if (!ended || status === undefined) return;
      const { code, details, metadata: trailers } = status;
      const says = trailers.get("grpc-status-details-bin")[0];
      resolve({
        ...{ code, text: details, ...outcome.told },
        ...(says !== undefined && { details: Buffer.from(says).toString("base64") }),
        ...{ headers: toEntries(headers), trailers: toEntries(trailers) },
      });
    };
    const answered = (error: ServiceError | null, message: Buffer | undefined): void => {
      if (error !== null) failure = error;
      if (message !== undefined) outcome.take(message);
      ended = true;
      end();
    };
    const watch = (call: NodeJS.EventEmitter): void => {
      call.on("metadata", (received: Metadata) => (headers = received));
      call.on("status", (received: StatusObject) => {
        status = failure === undefined ? received : { ...received, code: failure.code };
        end();
      });
    };
    const read = (call: ClientReadableStream<Buffer>): void => {
      watch(call);
      ended = true;
      call.on("error", () => {});
      call.on("data", (message: Buffer) => {
        outcome.take(message);
        if (outcome.told.count === cancelAfter) call.cancel();
      });
    };
    const write = async (call: {
      write(message: Buffer): boolean;
      once(event: "drain", listener: () => void): unknown;
      end(): unknown;
    }): Promise<void> => {
      for (const message of messages)
        if (!call.write(message))
          await new Promise<void>((drained) => call.once("drain", () => drained()));
      call.end();
    };
    if (op === "unary")
      watch(client.makeUnaryRequest(path, same, same, first, metadata, options, answered));
    else if (op === "expand")
      read(client.makeServerStreamRequest(path, same, same, first, metadata, options));
    else if (op === "collect") {
      const call = client.makeClientStreamRequest(path, same, same, metadata, options, answered);
      watch(call);
      void write(call);
    } else {
      const call = client.makeBidiStreamRequest(path, same, same, metadata, options);
      read(call);
      void write(call);
    }
  });
}

function call(address: string, files: readonly string[]): void {
  const [ca] = files.map((path) => readFileSync(path));
  const pause = process.env["KEEPALIVE_MS"];
  const secure = ca === undefined ? credentials.createInsecure() : credentials.createSsl(ca);
  const make = (extra: object): Client =>
    new Client(address, secure, {
      ...sizes,
      ...(ca !== undefined && { "grpc.ssl_target_name_override": "localhost" }),
      ...(pause !== undefined && {
        "grpc.keepalive_time_ms": Number(pause),
        "grpc.keepalive_permit_without_calls": 1,
      }),
      ...extra,
    });
  const plain = make({});
  // Its channels compress, not its calls.
  const packing = make({ "grpc.default_compression_algorithm": compressionAlgorithms.gzip });
  answerAsked((asked) => run(asked.gzip === true ? packing : plain, asked));
}

const [, , what = "", where = "", ...files] = process.argv;
if (what === "server") serve(where, files);
else call(where, files);
