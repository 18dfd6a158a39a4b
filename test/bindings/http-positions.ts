import { expect, onTestFinished, vi } from "vitest";
import type { Outcome } from "../../src/runtime/app.ts";
import { handled } from "../runtime/fake-app.ts";
import { reservePort } from "../servers/ports.ts";
import { read } from "./contract.ts";
import type { Source } from "./contract.ts";

const soon = { timeout: 20_000, interval: 5 };

/** An input that others post to at `/hook`, which has no position. */
export type PostedInput = Pick<Source, "binding"> & {
  /** Beside `address` and `path`. */
  readonly properties?: Readonly<Record<string, string>>;
  /** Made for each request. */
  readonly headers?: () => Record<string, string>;
};

async function place({ binding, properties, headers }: PostedInput) {
  const address = `127.0.0.1:${await reservePort()}`;
  const post = async (body: string): Promise<number> => {
    const request = { method: "POST", body, headers: headers?.() ?? {} };
    const response = await fetch(`http://${address}/hook`, request);
    await response.arrayBuffer();
    return response.status;
  };
  const begin = (answer?: (text: string) => Outcome | Promise<Outcome>, more = {}) => {
    const all = { ...properties, address, path: "/hook", ...more };
    return read({ binding }, { properties: all }, answer);
  };
  return { post, begin };
}

export async function expectWithoutPosition(input: PostedInput): Promise<void> {
  const { post, begin } = await place(input);
  await expect(post("before")).rejects.toThrow();
  const { app, runtime } = await begin();
  expect(await post("first")).toBe(204);
  expect(app.texts).toEqual(["first"]);
  await runtime.pause("orders", "");
  expect(await post("paused")).toBe(503);
}

export async function expectAfterGap(input: PostedInput): Promise<void> {
  const { post, begin } = await place(input);
  const { app, runtime } = await begin();
  await runtime.pause("orders", "");
  expect(await post("missed")).toBe(503);
  await runtime.resume("orders");
  await vi.waitFor(async () => expect(await post("sent again")).toBe(204), soon);
  expect(new Set(app.texts)).toEqual(new Set(["sent again"]));
}

export async function expectGrows(input: PostedInput): Promise<void> {
  const { post, begin } = await place(input);
  const answer = Promise.withResolvers<Outcome>();
  const { app } = await begin(() => answer.promise, { maxInFlight: "2" });
  const posts = Array.from({ length: 20 }, (_, n) => post(String(n)));
  await vi.waitFor(() => expect(app.texts).toHaveLength(2), soon);
  answer.resolve(handled);
  expect(new Set(await Promise.all(posts))).toEqual(new Set([204]));
  expect(app.texts).toHaveLength(20);
  expect(app.most).toBe(2);
}

export async function expectShrinks(input: PostedInput): Promise<void> {
  const { post, begin } = await place(input);
  const { runtime } = await begin();
  expect(await post("1")).toBe(204);
  await runtime.apply([]);
  await expect(post("2")).rejects.toThrow();
}

export async function expectMadeAnew(input: PostedInput): Promise<void> {
  const { post, begin } = await place(input);
  const first = await begin();
  expect(await post("1")).toBe(204);
  await first.runtime.close();
  onTestFinished(() => first.runtime.close());
  await expect(post("2")).rejects.toThrow();
  const second = await begin();
  expect(await post("2")).toBe(204);
  expect(second.app.texts).toEqual(["2"]);
}
