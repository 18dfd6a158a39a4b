import { expect, test, vi } from "vitest";
import type { AnyBinding } from "../../../src/binding.ts";
import { component, startRuntime } from "../../runtime/fake-binding.ts";
import { uniqueName } from "../../servers/describe-with.ts";
import { endAfterTest } from "../contract.ts";
import { startCountingProxy } from "./counting-proxy.ts";

/** An operation whose requests are counted on their way to the server. */
export type AttemptTarget = {
  readonly server: { readonly host: string; readonly port: number };
  /** Metadata with which the component connects to this address. */
  readonly properties: (at: { host: string; port: number }) => Record<string, string>;
  readonly operation: string;
  /** The request, which carries the mark once. */
  readonly request: (mark: string) => { metadata?: Record<string, string>; data?: string };
  /** How often the server did what the request with the mark asks for. */
  readonly done: (mark: string) => Promise<number>;
  /** Whether repeating it does no harm, so that the runtime repeats it after an ambiguous failure. */
  readonly idempotent?: boolean;
  /** Each call makes its own connection, or one that nobody watches. */
  readonly connectsByCall?: boolean;
  /** It keeps a connection, and makes another one when a call has found it gone. */
  readonly noticesByCall?: boolean;
};

const long = { timeout: 15_000, interval: 10 };

/**
 * What a binding may repeat by itself: nothing. Requests are counted between it and its server, and as many are sent as the
 * policy of the runtime says: one after an ambiguous failure, unless repeating does no harm.
 */
export function testAttempts(
  binding: AnyBinding,
  name: string,
  place: () => Promise<AttemptTarget>,
): void {
  async function begin() {
    const target = await place();
    const mark = uniqueName("mark");
    const proxy = await startCountingProxy(target.server, mark);
    endAfterTest(async () => proxy[Symbol.asyncDispose]());
    const started = startRuntime({ bindings: [binding] });
    const values = { direction: "output", ...target.properties(proxy) };
    const resolve = async () => ({ values, secrets: [] });
    await started.runtime.apply([component(binding.name, {}, { resolve })]);
    const { metadata = {}, data } = target.request(mark);
    const call = (signal = AbortSignal.timeout(20_000)) =>
      started.invoke("orders", target.operation, data, { metadata, signal });
    return { ...started, target, mark, proxy, call };
  }
  test(`${binding.name}, ${name}: a request that goes well is sent once`, async () => {
    const { target, mark, proxy, call } = await begin();
    await call();
    await reaches(target, mark, 1);
    expect(proxy.requests).toBe(1);
  });

  test.each(["cut the request", "swallow the answer"] as const)(
    `${binding.name}, ${name}: %s, and as many are sent as the policy says`,
    async (fault) => {
      const { target, mark, proxy, call } = await begin();
      proxy.fault = fault;
      const ending = call().then(
        () => "done",
        (error: unknown) => error,
      );
      if (fault === "swallow the answer") {
        await vi.waitFor(() => expect(proxy.hasSwallowed).toBe(true), long);
        if (target.idempotent !== true) await reaches(target, mark, 1);
        proxy.cut();
      }
      const outcome = await ending;
      const reached = fault === "cut the request" ? 0 : 1;
      if (target.idempotent === true) {
        expect(outcome).toBe("done");
        expect(proxy.requests).toBe(2);
      } else {
        expect(outcome).toMatchObject({ effect: "ambiguous" });
        expect(proxy.requests).toBe(1);
        await reaches(target, mark, reached);
      }
    },
  );

  test(`${binding.name}, ${name}: a server that refuses connections gets nothing, and the failure says so`, async () => {
    const { target, mark, proxy, call, status } = await begin();
    proxy.fault = "refuse";
    // What is written before the loss is noticed is ambiguous, and rightly so.
    if (target.noticesByCall === true) await call(AbortSignal.timeout(500)).catch(() => {});
    else if (target.connectsByCall !== true)
      await vi.waitFor(() => expect(status().state).toBe("reconnecting"), long);
    // It may wait for the connection for as long as the caller does.
    await expect(call(AbortSignal.timeout(500))).rejects.toMatchObject({ effect: "unsent" });
    expect(proxy.requests).toBe(0);
    proxy.fault = "none";
    // It comes back by itself.
    await vi.waitFor(() => call(), long);
    await reaches(target, mark, 1);
  });
}

/** A server may answer before all who listen to it have heard of what was done. */
async function reaches(target: AttemptTarget, mark: string, times: number): Promise<void> {
  await vi.waitFor(async () => expect(await target.done(mark)).toBe(times), long);
}
