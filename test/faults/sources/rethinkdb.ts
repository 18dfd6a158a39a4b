import { account, startStandIn } from "../../bindings/rethinkdb.statechange/stand-in.ts";
import { startProxy } from "../../servers/proxy.ts";
import type { OpenedSource, Source } from "../opened-source.ts";

/** The changes of a table of a stand-in, which keeps none for a reader that is away. */
export const rethinkdb: Source = {
  name: "rethinkdb.statechange",
  bounds: { app: 64, runtime: 0, server: 0 },
  async opened() {
    const server = await startStandIn();
    const proxy = await startProxy({ host: "127.0.0.1", port: server.port });
    return {
      component: {
        ...{ name: "changes", type: "bindings.rethinkdb.statechange" },
        metadata: {
          ...{ address: `${proxy.host}:${proxy.port}`, database: "shop", table: "orders" },
          ...{ ...account, primaryKey: "key", direction: "input" },
        },
      },
      ordered: true,
      proxy,
      async send(event) {
        server.change({ new_val: event, old_val: null, type: "add" });
      },
      async [Symbol.asyncDispose]() {
        await proxy[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    } satisfies OpenedSource;
  },
};
