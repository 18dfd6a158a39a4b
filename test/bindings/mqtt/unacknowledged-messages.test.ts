import type { IPublishPacket } from "mqtt-packet";
import { expect, test } from "vitest";
import { BindingError } from "../../../src/errors.ts";
import type { MqttSession } from "../../../src/bindings/mqtt/mqtt3/session.ts";
import { UnacknowledgedMessages } from "../../../src/bindings/mqtt/unacknowledged-messages.ts";

class FakeSession {
  readonly acknowledged: number[] = [];
  failure: BindingError | undefined;
  acknowledge(identifier: number): void {
    this.acknowledged.push(identifier);
  }
  end(): void {
    this.failure = new BindingError("unavailable", "gone");
  }
  get asSession(): MqttSession {
    return this as unknown as MqttSession;
  }
}

const message = (payload: string, { dup = false, topic = "orders" } = {}): IPublishPacket => ({
  cmd: "publish",
  topic,
  payload: Buffer.from(payload),
  qos: 1,
  retain: false,
  dup,
});

test("acknowledges each once, in any order", () => {
  const unsettled = new UnacknowledgedMessages();
  const session = new FakeSession();
  const [one, two] = [1, 2].map((n) => unsettled.take(message(String(n)), n, session.asSession));
  unsettled.handled(two!);
  unsettled.handled(one!);
  unsettled.handled(one!);
  unsettled.returned(two!);
  expect(session.acknowledged).toEqual([2, 1]);
  expect(unsettled.size).toBe(0);
});

test("knows again what the app still has, and acknowledges it on the connection of then", () => {
  const unsettled = new UnacknowledgedMessages();
  const [before, after] = [new FakeSession(), new FakeSession()];
  const entry = unsettled.take(message("x"), 7, before.asSession);
  before.end();
  expect(unsettled.take(message("x", { dup: true }), 7, after.asSession)).toBeUndefined();
  expect(after.acknowledged).toEqual([]);
  unsettled.handled(entry!);
  expect([before.acknowledged, after.acknowledged]).toEqual([[], [7]]);
});

test("acknowledges at once what was handled while there was no connection", () => {
  const unsettled = new UnacknowledgedMessages();
  const [before, after] = [new FakeSession(), new FakeSession()];
  const entry = unsettled.take(message("x"), 7, before.asSession);
  before.end();
  unsettled.handled(entry!);
  expect(unsettled.take(message("x", { dup: true }), 7, after.asSession)).toBeUndefined();
  expect([before.acknowledged, after.acknowledged]).toEqual([[], [7]]);
  expect(unsettled.size).toBe(0);
});

test.for([
  ["other bytes", message("y", { dup: true })],
  ["another topic", message("x", { dup: true, topic: "returns" })],
  ["what is not sent again", message("x")],
] as const)("takes %s under the same identifier for a new message", ([, other]) => {
  const unsettled = new UnacknowledgedMessages();
  const [before, after] = [new FakeSession(), new FakeSession()];
  const old = unsettled.take(message("x"), 7, before.asSession);
  before.end();
  const fresh = unsettled.take(other, 7, after.asSession);
  expect(fresh).toBeDefined();
  unsettled.handled(old!);
  expect(after.acknowledged).toEqual([]);
  unsettled.handled(fresh!);
  expect(after.acknowledged).toEqual([7]);
});

test("delivers again what was returned, and knows nothing of a session that is gone", () => {
  const unsettled = new UnacknowledgedMessages();
  const [before, after] = [new FakeSession(), new FakeSession()];
  const returned = unsettled.take(message("a"), 1, before.asSession);
  const kept = unsettled.take(message("b"), 2, before.asSession);
  unsettled.returned(returned!);
  expect(unsettled.take(message("a", { dup: true }), 1, after.asSession)).toBeDefined();
  unsettled.forget();
  unsettled.handled(kept!);
  expect([before.acknowledged, after.acknowledged]).toEqual([[], []]);
});
