import { createServer, type ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Bindings } from "../../gen/cufflink/v1/bindings_pb.ts";
import {
  EventBatchSchema,
  type AppMessage,
  type EventBatch,
} from "../../gen/cufflink/v1/event_streams_pb.ts";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";

/** One stream of an app, as a runtime sees it. */
export class AppStream {
  readonly token: string | null;
  readonly messages: AppMessage[] = [];
  /** The app has ended its side. */
  finished = false;
  #outbox: EventBatch[] = [];
  #wake: (() => void) | undefined;
  #ended: ConnectError | true | undefined;

  constructor(token: string | null) {
    this.token = token;
  }

  get handled(): number[] {
    return this.messages.flatMap(({ handled }) => handled);
  }

  send(batch: MessageInitShape<typeof EventBatchSchema>): void {
    this.#outbox.push(create(EventBatchSchema, batch));
    this.#wake?.();
  }

  /** Ends the stream, with OK or with an error. */
  end(error?: ConnectError): void {
    this.#ended = error ?? true;
    this.#wake?.();
  }

  async *batches(): AsyncGenerator<EventBatch> {
    for (;;) {
      yield* this.#outbox.splice(0);
      if (this.#ended instanceof ConnectError) throw this.#ended;
      if (this.#ended === true) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async read(messages: AsyncIterable<AppMessage>): Promise<void> {
    try {
      for await (const message of messages) this.messages.push(message);
      this.finished = true;
    } catch {
      // The connection was lost.
    }
    this.end();
  }
}

/** A runtime in small, on a port: its services as a test says, served by Connect. */
export class RuntimeServer implements AsyncDisposable {
  /** Those that apps have opened, if the test serves none itself. */
  readonly streams: AppStream[];
  readonly port: number;
  readonly #close: () => Promise<void>;
  readonly #cut: () => void;

  private constructor(
    streams: AppStream[],
    port: number,
    close: () => Promise<void>,
    cut: () => void,
  ) {
    this.streams = streams;
    this.port = port;
    this.#close = close;
    this.#cut = cut;
  }

  static async start(
    options: {
      port?: number;
      dapr?: Partial<ServiceImpl<typeof Dapr>>;
      bindings?: Partial<ServiceImpl<typeof Bindings>>;
    } = {},
  ): Promise<RuntimeServer> {
    const { port = 0, dapr = {}, bindings } = options;
    const sessions = new Set<ServerHttp2Session>();
    const streams: AppStream[] = [];
    const server = createServer(
      connectNodeAdapter({
        routes(router) {
          router.service(Dapr, dapr);
          router.service(
            Bindings,
            bindings ?? {
              async *subscribeBindings(messages, context) {
                const stream = new AppStream(context.requestHeader.get("dapr-api-token"));
                streams.push(stream);
                void stream.read(messages);
                yield* stream.batches();
              },
            },
          );
        },
      }),
    );
    server.on("session", (session) => {
      sessions.add(session);
      session.on("close", () => sessions.delete(session));
    });
    await new Promise<void>((resolve) => void server.listen(port, "127.0.0.1", resolve));
    const cut = (): void => {
      for (const session of sessions) session.destroy();
    };
    const close = async (): Promise<void> => {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      cut();
      await closed;
    };
    return new RuntimeServer(streams, (server.address() as AddressInfo).port, close, cut);
  }

  /** Breaks every connection; the port goes on listening. */
  cut(): void {
    this.#cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

export { Code, ConnectError };
