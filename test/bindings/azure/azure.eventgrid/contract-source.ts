import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import eventGrid from "../../../../src/bindings/azure/azure.eventgrid/index.ts";
import { reservePort } from "../../../servers/ports.ts";
import { endAfterTest, type Source } from "../../contract.ts";
import { startBoth } from "./both.ts";

/** Event Grid, which sends again what was not answered with 2xx. */
export const eventGridSource: Source = {
  binding: eventGrid,
  largest: 1024 * 1024,
  async place() {
    const { properties, post } = await startBoth(await reservePort());
    const ended = new AbortController();
    const sending: Promise<void>[] = [];
    endAfterTest(async () => {
      ended.abort();
      await Promise.all(sending);
    });
    const sendAgain = async (body: Uint8Array): Promise<void> => {
      const { signal } = ended;
      while (!signal.aborted) {
        const answer = await post(body, {}, signal).catch(() => undefined);
        await answer?.arrayBuffer();
        if (answer?.status === 200) return;
        await pause(10, undefined, { signal }).catch(() => undefined);
      }
    };
    return {
      properties,
      async send(data) {
        sending.push(sendAgain(data));
      },
      async sendMarked() {
        const body = '{"specversion":"1.0","id":"42","source":"/shop","type":"order.placed"}';
        sending.push(sendAgain(Buffer.from(body)));
        return ({ metadata, id, headers }) => {
          expect(metadata).toMatchObject({ id: "42", source: "/shop", type: "order.placed" });
          expect(id).toBe("/shop#42");
          expect(headers.map(({ name }) => name)).not.toContain("authorization");
        };
      },
    };
  },
};
