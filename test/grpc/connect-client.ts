import { GrpcClient, type GrpcClientOptions } from "../../src/grpc/client.ts";
import { onTestFinished } from "vitest";
import type { ClientConnection } from "../../src/grpc/client-connection.ts";

/** Waits for the connection's state to be so, without polling. */
export function untilReady(connection: ClientConnection, ready: boolean): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (connection.ready !== ready) return;
      end();
      resolve();
    };
    const end = connection.onChange(check);
    check();
  });
}

/** A client of the port, closed after the test. */
export function connectClient(port: number, options: Partial<GrpcClientOptions> = {}): GrpcClient {
  const client = new GrpcClient({ host: "127.0.0.1", port, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** The same, once it is connected. */
export async function readyClient(
  port: number,
  options?: Partial<GrpcClientOptions>,
): Promise<GrpcClient> {
  const client = connectClient(port, options);
  await untilReady(client.connection, true);
  return client;
}
