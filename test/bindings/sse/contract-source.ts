import { expect } from "vitest";
import sse from "../../../src/bindings/sse/index.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import type { Source } from "../contract.ts";
import { allBytes } from "../opened-output.ts";
import { EventServer } from "./event-server.ts";

/** `made`: told the server of each place. */
export function sseSource(made: (server: EventServer) => void = () => undefined): Source {
  return {
    binding: sse,
    largest: 2 ** 20,
    // CR ends a line, as LF does, and comes as LF.
    bytes: allBytes.filter((byte) => byte !== 13),
    ordered: { properties: { inOrder: "true" }, keys: ["the stream"] },
    async place() {
      const server = await EventServer.start();
      made(server);
      return {
        store: new MemoryStore(),
        properties: { url: server.url, maxEventSize: "2Mi", reconnectDelay: "100ms" },
        send: async (data) => server.send(data),
        async sendMarked() {
          server.send("x", { type: "created", id: "grün/7" });
          return ({ id, metadata }) => {
            expect(id).toBe("grün/7");
            expect(metadata).toMatchObject({
              ...{ eventType: "created", lastEventId: "grün/7", url: server.url },
            });
          };
        },
      };
    },
  };
}
