import { expect } from "vitest";
import jobworker from "../../../../src/bindings/zeebe/zeebe.jobworker/index.ts";
import type { Source } from "../../contract.ts";
import { zeebePeer } from "../peer.ts";

type Server = { readonly host: string; readonly port: number };

export function zeebeSource(server: Server): Source {
  return {
    binding: jobworker,
    // Zeebe's messages have 4 MB at most.
    largest: 2 ** 20,
    // Variables are JSON.
    bytes: Uint8Array.from({ length: 95 }, (_, index) => 32 + index),
    carriesNothing: false,
    async place() {
      const peer = zeebePeer(server);
      // Each refusal takes one of the retries.
      const { type, processId } = await peer.place({ retries: 1_000_000, raw: true });
      return {
        properties: {
          gatewayAddr: `${server.host}:${server.port}`,
          ...{ usePlainTextConnection: "true", jobType: type, workerTimeout: "3s" },
          ...{ retryBackOff: "20ms", concurrency: "64", maxJobsActive: "64" },
        },
        async send(data) {
          await peer.start(processId, Buffer.from(data).toString());
        },
        async sendMarked() {
          const instance = await peer.start(processId, '{"a":1}');
          return ({ metadata, id }) => {
            expect(metadata).toMatchObject({
              ...{ colour: "grün", empty: "" },
              "X-Zeebe-Job-Key": id,
              "X-Zeebe-Job-Type": type,
              "X-Zeebe-Process-Instance-Key": String(instance),
              "X-Zeebe-Bpmn-Process-Id": processId,
              "X-Zeebe-Process-Definition-Version": "1",
              "X-Zeebe-Element-Id": "fetch",
              "X-Zeebe-Element-Instance-Key": String(instance + 1n),
              "X-Zeebe-Worker": "default",
              "X-Zeebe-Retries": "1000000",
              "X-Zeebe-Autocomplete": "true",
            });
          };
        },
      };
    },
  };
}
