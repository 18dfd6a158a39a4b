import type { Server } from "node:net";
import { Server as TlsServer } from "node:tls";
import type { Service } from "../grpc/service.ts";
import type { MemoryBudget } from "../memory/budget.ts";
import { pathOf, type HttpExchange } from "../rpc/http-exchange.ts";
import { Http2Exchange } from "./http2-exchange.ts";
import type { Address } from "./listener.ts";
import { openListener, portOf, secureOptions } from "./open-listener.ts";
import { createProtocols } from "./protocols.ts";
import { createRpcHandlers } from "./rpc-handlers.ts";
import type { TlsMaterial } from "./tls-files.ts";

export type ScalerServerOptions = {
  readonly addresses: readonly Address[];
  readonly services: readonly Service[];
  readonly tls: TlsMaterial | undefined;
  readonly memory: MemoryBudget;
  /** Whether `/readyz` says so. */
  readonly isReady: () => boolean;
};

export type ScalerServer = {
  readonly ports: readonly number[];
  /** New connections get this certificate. */
  setTls(tls: TlsMaterial): void;
  /** Takes no more connections, lets calls end for at most `deadline` ms, closes. */
  close(deadline: number): Promise<void>;
};

/** What KEDA sends are names and a trigger's metadata. */
const maxMessageSize = 256 * 1024;

/**
 * Serves gRPC, and `/livez` and `/readyz` for probes. Rejects with a `BindingError` that names the address which cannot
 * be had.
 */
export async function createScalerServer(options: ScalerServerOptions): Promise<ScalerServer> {
  const { addresses, services, tls, memory, isReady } = options;
  const handlers = createRpcHandlers({ services, maxMessageSize });
  const onRequest = (exchange: HttpExchange): void => {
    const path = pathOf(exchange.target);
    if (path === "/livez") exchange.answer(200);
    else if (path === "/readyz") exchange.answer(isReady() ? 200 : 503);
    else exchange.answer(404);
  };
  const protocols = createProtocols(
    onRequest,
    (stream, head, share) => {
      const call = handlers.onStream(stream, head, share);
      if (call !== undefined) return call;
      const exchange = new Http2Exchange(stream, head);
      onRequest(exchange);
      return exchange;
    },
    memory.share("scaler"),
  );
  const servers: Server[] = [];
  try {
    for (const address of addresses) servers.push(await openListener(address, protocols, tls));
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  return {
    ports: servers.map(portOf),
    setTls(next) {
      for (const server of servers)
        if (server instanceof TlsServer) server.setSecureContext(secureOptions(next));
    },
    async close(deadline) {
      for (const server of servers) server.close();
      await protocols.end(deadline);
    },
  };
}
