import assert from "node:assert/strict";
import type { AnyBinding } from "../../binding.ts";
import { bindingsClient } from "../../rpc/in-process-client.ts";
import { StreamCaller } from "../../rpc/stream-caller.ts";
import { componentName, startComponent } from "./component-runtime.ts";
import { addTest, type After, type TestFunction } from "./runner.ts";

/** Where an output writes to, with what is particular to it. */
export type Target = {
  /** The component's metadata. */
  readonly properties: Readonly<Record<string, string>>;
  /** The operation that takes a payload. Default `create`. */
  readonly operation?: string;
  /** The request's metadata for the n-th payload. */
  metadata?(n: number): Record<string, string>;
  /** The data that a payload is sent as. Default: the payload itself. */
  readonly dataOf?: (payload: string) => string;
  /** Resolves to the payloads that arrived, once there are so many. */
  arrived(count: number): Promise<readonly Uint8Array[]>;
};

/** How many payloads come together. */
const payloads = 100;
/** One more, which comes in three parts. */
const inParts = ["be", "gin and e", "nd"];

/** The n-th payload, for outputs that are told it by metadata. */
export const payloadOf = (n: number): string =>
  n === payloads ? inParts.join("") : `payload ${n}`;

/** What each output promises for invocations that come together: the tests of one output. `place`: a target of its own. */
export function testOutput(
  test: TestFunction,
  name: string,
  binding: AnyBinding,
  place: (after: After) => Promise<Target>,
): void {
  async function begin(after: After) {
    const target = await place(after);
    const values = { direction: "output", ...target.properties };
    const { runtime, examine, close } = await startComponent(binding, values);
    after(close);
    const start = (n: number) => ({
      name: componentName,
      operation: target.operation ?? "create",
      metadata: target.metadata?.(n) ?? {},
    });
    return { target, start, examine, client: bindingsClient(runtime) };
  }
  const expected = Array.from({ length: payloads }, (_, n) => payloadOf(n));
  const texts = (came: readonly Uint8Array[]): string[] =>
    came.map((one) => Buffer.from(one).toString()).toSorted();

  addTest(
    test,
    `${name}: a batch arrives whole, and what fails in it fails alone`,
    async (after) => {
      const { target, start, client } = await begin(after);
      const { dataOf = (text) => text } = target;
      const invocations = expected.map((text, n) => ({
        ...start(n),
        data: Buffer.from(dataOf(text)),
      }));
      invocations.splice(50, 0, { ...start(0), operation: "nosuch", data: Buffer.from("no") });
      const { results } = await client.invokeBindingBatch({ invocations });
      const failed = results.flatMap(({ result }, n) => (result.case === "answer" ? [] : [n]));
      assert.deepEqual(failed, [50]);
      const { answerMetadata } = binding.operations?.[start(0).operation] ?? {};
      for (const { result } of results)
        if (answerMetadata !== undefined && result.case === "answer")
          for (const name of Object.keys(result.value.metadata))
            assert.ok(name in answerMetadata, `answerMetadata does not name ${name}`);
      assert.deepEqual(texts(await target.arrived(payloads)), expected.toSorted());
    },
  );

  addTest(
    test,
    `${name}: an examination finds nothing wrong, and writes nothing`,
    async (after) => {
      const { target, start, examine, client } = await begin(after);
      await examine();
      const { dataOf = (text) => text } = target;
      const data = Buffer.from(dataOf(payloadOf(0)));
      await client.invokeBindingBatch({ invocations: [{ ...start(0), data }] });
      assert.deepEqual(texts(await target.arrived(1)), [payloadOf(0)]);
    },
  );

  addTest(
    test,
    `${name}: a stream's small payloads and those in parts arrive, each once`,
    async (after) => {
      const { target, start, client } = await begin(after);
      const caller = new StreamCaller(client);
      const { dataOf } = target;
      const whole = dataOf?.(inParts.join("")) ?? "";
      const parts = dataOf ? [whole.slice(0, 2), whole.slice(2, 9), whole.slice(9)] : inParts;
      const [first = "", second = "", third = ""] = parts;
      caller.send({ invocation: payloads, start: start(payloads), data: Buffer.from(first) });
      for (let from = 0; from < payloads; from += 25) {
        const chunks = expected.slice(from, from + 25).map((text, n) => ({
          ...{ invocation: from + n, start: start(from + n) },
          ...{ data: Buffer.from(dataOf?.(text) ?? text), last: true },
        }));
        const more = { invocation: payloads, data: Buffer.from(from === 0 ? second : "") };
        caller.send(...chunks, more);
      }
      const unknown = { name: componentName, operation: "nosuch" };
      caller.send({ invocation: 1000, start: unknown, last: true });
      caller.send({ invocation: payloads, data: Buffer.from(third), last: true }).finish();
      assert.equal(await caller.ended, undefined);
      const ended = caller.chunks.filter(({ last }) => last);
      assert.equal(ended.length, payloads + 2);
      const failed = ended.filter(({ error }) => error !== undefined);
      assert.deepEqual(
        failed.map(({ invocation }) => invocation),
        [1000],
      );
      const all = [...expected, inParts.join("")];
      assert.deepEqual(texts(await target.arrived(all.length)), all.toSorted());
    },
  );
}
