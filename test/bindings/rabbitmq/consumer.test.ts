import { expect, onTestFinished, test, vi } from "vitest";
import { startConsumer, type ConnectInput } from "../../../src/bindings/rabbitmq/consumer.ts";
import { rabbitmqFields } from "../../../src/bindings/rabbitmq/fields.ts";
import { parseFields } from "../../../src/metadata/parse.ts";
import { keepingLogger } from "../../runtime/source-event.ts";

const metadata = parseFields(rabbitmqFields, { host: "amqp://h", queueName: "q" }).values;

/** A server that declares the queue, and never answers who wants to read it. */
function silentServer() {
  let closed = 0;
  const channel = {
    on() {},
    close: async () => {},
    assertQueue: async () => ({}),
    prefetch: async () => {},
    consume: () => new Promise(() => {}),
  };
  const connection = {
    model: { connection: {}, createChannel: async () => channel },
    blocked: undefined,
    ended: undefined,
    close: async () => void closed++,
  };
  const connectInput = (async () => connection as never) satisfies ConnectInput;
  return { connectInput, closed: () => closed };
}

test("a server that does not begin to deliver is given up, and its connection closed", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation((milliseconds) => {
    const late = new AbortController();
    setTimeout(() => late.abort(new DOMException("late", "TimeoutError")), milliseconds);
    return late.signal;
  });
  onTestFinished(() => timeout.mockRestore());
  const { connectInput, closed } = silentServer();
  const reading = {
    ...{ metadata, logger: keepingLogger(), maxInFlight: 4, attempts: 10, notice() {} },
    ...{ component: { name: "q", appId: "a" }, signal: new AbortController().signal },
    ...{ deliver: async () => {}, lost() {} },
  };
  const started = startConsumer(connectInput, reading as never);
  const failed = expect(started).rejects.toMatchObject({
    reason: "deadline_exceeded",
    effect: "unsent",
  });
  await vi.advanceTimersByTimeAsync(20_000);
  await failed;
  expect(closed()).toBe(1);
});
