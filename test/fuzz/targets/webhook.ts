import * as fc from "fast-check";
import { createHmac } from "node:crypto";
import { createFunctionApp } from "../../../src/app/function.ts";
import webhookBinding from "../../../src/bindings/webhook/index.ts";
import type { ComponentSpec } from "../../../src/component.ts";
import { createRuntime } from "../../../src/runtime/runtime.ts";
import { createHttpEndpoints } from "../../../src/server/http-endpoints.ts";
import { reservePort } from "../../servers/ports.ts";
import { exchange, oneReply } from "../http-exchange.ts";
import { anyText, headerValue, mutate, mutations, type Mutation } from "../mutation.ts";
import type { Target } from "../target.ts";
import { silent } from "../fixture.ts";

type Input = {
  readonly hook: string;
  readonly query: string;
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
  /** Its signature is right. */
  readonly signed: boolean;
  readonly reply: Uint8Array | undefined;
  readonly wireChanges: readonly Mutation[];
};

const secret = "a secret of the sender";
const hooks: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  plain: { methods: "POST,PUT,GET" },
  github: { verification: "github", secret },
  stripe: { verification: "stripe", secret },
  twilio: { verification: "twilio", secret, publicUrl: "https://example.org/twilio" },
  hmac: { verification: "hmac", secret, signatureEncoding: "base64", idHeader: "Webhook-Id" },
};
const names = Object.keys(hooks);
const answerTimeout = 40_000;

const header = fc.tuple(
  fc.constantFrom(
    ...["content-type", "x-hub-signature-256", "stripe-signature", "x-twilio-signature", "x-a"],
    ...["x-signature", "webhook-id", "x-github-delivery", "i-twilio-idempotency-token", "cookie"],
    ...["traceparent", "baggage", "idempotency-key", "dapr-api-token", "content-encoding", "range"],
  ),
  fc.oneof(
    headerValue,
    fc.constantFrom(
      ...[
        "application/x-www-form-urlencoded",
        "application/json",
        "t=1,v1=00",
        "sha256=00",
        "gzip",
      ],
      ...["t=99999999999999999999,v1=zz", ",,==", "sha256="],
    ),
  ),
);

/** What the whole internet may send to a webhook. */
export const webhook: Target<Input> = {
  name: "webhook",
  input: fc.record({
    hook: fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...names) },
      { weight: 1, arbitrary: fc.webSegment() },
    ),
    query: fc.oneof(
      fc.constant(""),
      fc.webQueryParameters().map((text) => `?${text}`),
      fc.constantFrom("?%", "?bodySHA256=00", "?&=&"),
    ),
    method: fc.oneof(
      { weight: 6, arbitrary: fc.constant("POST") },
      { weight: 1, arbitrary: fc.constantFrom("PUT", "GET", "HEAD", "PATCH", "OPTIONS") },
    ),
    headers: fc.array(header, { maxLength: 5 }),
    body: fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      anyText(60).map((text) => Buffer.from(text)),
      fc.constantFrom(
        ...["a=b&c=%", "{}", "[1,", '{"id":1}', "%ff=%00&%"].map((text) => Buffer.from(text)),
      ),
    ),
    signed: fc.boolean(),
    reply: fc.option(fc.uint8Array({ maxLength: 30 }), { nil: undefined }),
    wireChanges: fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: mutations },
    ),
  }),
  async start() {
    const port = await reservePort();
    const got: Buffer[] = [];
    let reply: Uint8Array | undefined;
    const runtime = createRuntime({
      appId: "fuzz",
      bindings: [webhookBinding],
      app: createFunctionApp({
        onBindingEvent({ data }) {
          got.push(Buffer.from(data ?? []));
          return reply === undefined ? undefined : { data: reply };
        },
      }),
      logger: silent,
      http: createHttpEndpoints(),
    });
    await runtime.apply(names.map((name) => component(name, port)));
    const good = request({
      ...{ hook: "plain", query: "", method: "POST", headers: [], body: Buffer.from("good") },
      signed: false,
    });
    return {
      async check(input) {
        got.length = 0;
        ({ reply } = input);
        const whole = request(input);
        const isWhole = input.wireChanges.length === 0;
        const wire = isWhole ? whole : mutate(whole, input.wireChanges);
        const answer = await exchange(port, [wire], isWhole ? answerTimeout : 50);
        if (isWhole) judge(input, oneReply(answer), got);
        got.length = 0;
        reply = undefined;
        const { status } = oneReply(await exchange(port, [good], answerTimeout));
        if (status !== 204 || got.length !== 1 || got[0]?.toString() !== "good")
          throw new Error(`the next good request got ${status} and came ${got.length} times`);
      },
      async [Symbol.asyncDispose]() {
        await runtime.drain(0);
        await runtime.close();
      },
    };
  },
};

function judge(input: Input, answer: ReturnType<typeof oneReply>, got: readonly Buffer[]): void {
  const { status } = answer;
  const handled = status === 200 || status === 204;
  if (got.length !== (handled ? 1 : 0))
    throw new Error(`answered ${status}, and the app got it ${got.length} times`);
  if (!handled) return;
  if (!Buffer.from(input.body).equals(got[0] ?? Buffer.alloc(0)))
    throw new Error("the body is another");
  const isOpen = input.hook === "plain" || input.signed;
  if (!isOpen) throw new Error(`${input.hook} let in what was not signed`);
  if (input.reply !== undefined && input.method !== "HEAD" && !answer.body.equals(input.reply))
    throw new Error("the reply is another");
}

function request(input: Omit<Input, "reply" | "wireChanges">): Buffer {
  const { hook, query, method, headers, body, signed } = input;
  const all = [...headers.filter(([name]) => !signed || !name.includes("signature"))];
  if (signed) all.push(...signatureOf(hook, body));
  const lines = all.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `${method} /${hook}${query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${body.length}\r\n${lines}\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), body]);
}

function signatureOf(hook: string, body: Uint8Array): [string, string][] {
  const hmac = createHmac("sha256", secret);
  if (hook === "github")
    return [["x-hub-signature-256", `sha256=${hmac.update(body).digest("hex")}`]];
  if (hook === "hmac") return [["x-signature", hmac.update(body).digest("base64")]];
  if (hook !== "stripe") return [];
  const time = Math.floor(Date.now() / 1000);
  const digest = hmac.update(`${time}.`).update(body).digest("hex");
  return [["stripe-signature", `t=${time},v1=${digest}`]];
}

function component(name: string, port: number): ComponentSpec {
  const values = { address: `127.0.0.1:${port}`, ...hooks[name] };
  return {
    ...{ name, type: "bindings.webhook", version: "v1", initTimeout: 5000, origin: undefined },
    properties: [],
    resolve: async () => ({ values, secrets: [secret] }),
  };
}
