import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { BindingError, messageOf } from "../../errors.ts";
import { Http2Listener } from "../../grpc/http2-listener.ts";
import { answered, refuseCall } from "../../grpc/refusal.ts";
import { GrpcServer } from "../../grpc/server.ts";
import { methodsOf } from "../../grpc/service.ts";
import { Code } from "../../grpc/status.ts";
import type { HeaderBlock } from "../../http2/header-block.ts";
import type { Http2Stream, StreamListener } from "../../http2/stream.ts";
import { bind } from "../../server/listener.ts";
import type { InstanceOptions } from "./instance.ts";
import { ComponentServices } from "./services.ts";

export type ComponentServerOptions = InstanceOptions & {
  /** The name that the socket gives the type: the binding's, or an alias of it. */
  readonly type: string;
  /** The folder of the sockets. It is made where it is not there, for this user alone. */
  readonly folder: string;
  /** The socket's permissions. */
  readonly mode: number;
  /** The largest message either way, in bytes. */
  readonly maxMessageSize: number;
};

/** A type that is served by a socket. */
export type ComponentServer = {
  readonly socket: string;
  blame(error: unknown): boolean;
  /**
   * Takes no more connections and removes the socket's file; what is under way may take until the deadline, in
   * milliseconds.
   */
  close(deadline: number): Promise<void>;
};

/** How long streams that have ended may take to get out, in milliseconds. */
const lastAnswers = 1_000;

/** Serves a binding as a pluggable component, by the socket `TYPE.sock`. Rejects with a `BindingError`. */
export async function serveComponent(options: ComponentServerOptions): Promise<ComponentServer> {
  const { folder, type, memory, mode, maxMessageSize } = options;
  const socket = join(folder, `${type}.sock`);
  const services = new ComponentServices(options);
  const methods = new Map(services.services.flatMap((service) => [...methodsOf(service)]));
  const grpc = new GrpcServer(methods, { maxMessageSize, limitFlag: "--max-body-size" });
  const share = memory.share(`socket ${type}`);
  const listener = new Http2Listener({
    memory: share,
    onStream: (stream, head) =>
      grpc.handle({ stream, head, memory: share }) ?? refuse(stream, head),
  });
  await listen(listener.server, folder, socket, mode);
  return {
    socket,
    blame: (error) => services.blame(error),
    async close(deadline) {
      // At its end the connections go on until what is under way has ended.
      const closed = listener.stop();
      await services.close(deadline);
      listener.endConnections();
      const timer = setTimeout(() => listener.destroyConnections(), lastAnswers);
      await closed;
      clearTimeout(timer);
    },
  };
}

async function listen(
  server: Parameters<typeof bind>[0],
  folder: string,
  socket: string,
  mode: number,
): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const text = `the folder ${folder} of the sockets cannot be made: ${messageOf(error)}; choose another by --socket-folder`;
    throw new BindingError("unavailable", text, { effect: "unsent", cause: error });
  }
  await bind(server, { socket, flags: { place: "--socket-folder" }, mode });
  await chmod(socket, mode);
}

/** A method that is not served, in gRPC's way; anything else in HTTP's. */
function refuse(stream: Http2Stream, head: HeaderBlock): StreamListener {
  if (head.get("content-type")?.startsWith("application/grpc") === true)
    return refuseCall(stream, Code.unimplemented, "unknown service or method");
  stream.sendHeaders([":status", "415"], true);
  if (!stream.isReceived) stream.endEarly();
  return answered;
}
