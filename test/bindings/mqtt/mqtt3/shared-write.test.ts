import { Socket } from "node:net";
import { setImmediate as turnEnds } from "node:timers/promises";
import { afterEach, expect, test, vi } from "vitest";
import { describeWith, uniqueName } from "../../../servers/describe-with.ts";
import { rawClient } from "./raw-client.ts";

afterEach(() => vi.restoreAllMocks());

describeWith("mosquitto", (broker) => {
  test("what is sent in one turn goes out in one write, a lone packet within its turn", async () => {
    const { session } = await rawClient(broker.url);
    const topic = uniqueName("shared");
    const single = vi.spyOn(Socket.prototype, "_write");
    const several = vi.spyOn(Socket.prototype as Required<Socket>, "_writev");
    const sent = Array.from({ length: 20 }, (_, n) =>
      session.publish(topic, Buffer.from(String(n)), false),
    );
    await turnEnds();
    expect([several.mock.calls.length, single.mock.calls.length]).toEqual([1, 0]);
    await Promise.all(sent);
    const lone = session.publish(topic, Buffer.from("lone"), false);
    await turnEnds();
    expect(several.mock.calls.length + single.mock.calls.length).toBe(2);
    await lone;
  });
});
