import type { Msg } from "@nats-io/transport-node";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { deliveryOf, type Delivery } from "../../../src/bindings/nats/message.ts";
import {
  UnacknowledgedMessages,
  type Taken,
} from "../../../src/bindings/nats/unacknowledged-messages.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function delivery(sequence: number, subject = "s", deliveries = 1, time = "1700"): Delivery {
  const reply = `$JS.ACK.ORDERS.shop.${deliveries}.${sequence}.${sequence}.${time}.0`;
  const one = deliveryOf({ subject, reply, data: new Uint8Array() } as Msg);
  if (one === undefined) throw new Error("no delivery");
  return one;
}

function taken(messages: UnacknowledgedMessages, one: Delivery): Taken {
  const verdict = messages.take(one, true);
  if (verdict.kind !== "new") throw new Error(verdict.kind);
  return verdict.taken;
}

test("what is delivered again is not handled again", () => {
  const messages = new UnacknowledgedMessages();
  const one = taken(messages, delivery(1));
  expect(messages.take(delivery(1, "s", 2), true).kind).toBe("held");
  expect(one.reply).toContain(".shop.2.1.");
  expect(messages.handled(one)).toBe(true);
  expect(messages.handled(one)).toBe(false);
  expect(messages.take(delivery(1, "s", 3), true).kind).toBe("handled");
  expect(messages.handledLately.at(-1)?.reply).toContain(".shop.3.1.");
});

test("the same sequence of another stream of that name is another message", () => {
  const messages = new UnacknowledgedMessages();
  messages.handled(taken(messages, delivery(1)));
  expect(messages.take(delivery(1, "s", 1, "1800"), true).kind).toBe("new");
});

test("one that was returned is not overtaken by later ones of its subject", () => {
  const messages = new UnacknowledgedMessages();
  const [one, two] = [taken(messages, delivery(1)), taken(messages, delivery(2))];
  messages.giveBack(one);
  messages.giveBack(two);
  const third = messages.take(delivery(3), true);
  expect(third).toMatchObject({ kind: "postponed", taken: { due: one.due + 20 } });
  expect(messages.take(delivery(4, "other"), true).kind).toBe("new");
  expect(messages.take(delivery(5), false).kind).toBe("new");
  // The server delivers by the time, which need not be the order.
  expect(messages.take(delivery(3, "s", 2), true).kind).toBe("postponed");
  expect(messages.take(delivery(1, "s", 2), true).kind).toBe("new");
  expect(messages.take(delivery(2, "s", 2), true).kind).toBe("new");
  expect(messages.take(delivery(3, "s", 3), true).kind).toBe("new");
});

test("one that is to come after a pause holds up nothing", () => {
  const messages = new UnacknowledgedMessages();
  messages.giveBack(taken(messages, delivery(1)), 5_000);
  expect(messages.take(delivery(2), true).kind).toBe("new");
});

test("one that is gone from the stream holds up nothing", () => {
  const messages = new UnacknowledgedMessages();
  messages.giveBack(taken(messages, delivery(1)));
  vi.advanceTimersByTime(2_000);
  expect(messages.take(delivery(2, "s", 2), true).kind).toBe("postponed");
  vi.advanceTimersByTime(2_000);
  expect(messages.take(delivery(3, "other"), true).kind).toBe("new");
  expect(messages.returned).toEqual([]);
});

test("what another reader was given is not kept, whether or not there is an order", () => {
  const messages = new UnacknowledgedMessages();
  for (let sequence = 1; sequence <= 100; sequence++) {
    const verdict = messages.take(delivery(sequence), false);
    if (verdict.kind === "new") messages.giveBack(verdict.taken);
    vi.advanceTimersByTime(100);
  }
  expect(messages.returned.length).toBeLessThan(20);
});

test("the first that is not handled is where a new consumer goes on", () => {
  const messages = new UnacknowledgedMessages();
  expect(messages.firstUnhandled).toBeUndefined();
  const [one, two] = [taken(messages, delivery(7)), taken(messages, delivery(9))];
  messages.handled(two);
  expect(messages.firstUnhandled).toBe(7);
  messages.handled(one);
  expect(messages.firstUnhandled).toBe(10);
});

test.each([
  "$JS.ACK.ORDERS.shop.2.17.21.1700000000123456789.3",
  "$JS.ACK.hub.ACCOUNT.ORDERS.shop.2.17.21.1700000000123456789.3.token",
  "$JS.ACK._.ACCOUNT.ORDERS.shop.2.17.21.1700000000123456789.3",
])("the subject %s is read", (reply) => {
  expect(deliveryOf({ reply } as Msg)).toMatchObject({
    ...{ stream: "ORDERS", consumer: "shop", deliveries: 2, sequence: 17, consumerSequence: 21 },
    ...{ time: "1700000000123456789", pending: 3 },
  });
});

test.each(["", "_INBOX.x", "$JS.ACK.a", "$JS.ACK.a.b.c.d.e.f.g"])("%j is none", (reply) => {
  expect(deliveryOf({ reply } as Msg)).toBeUndefined();
});
