// Tests of the app, for `node --test`; with vitest or jest only the first two imports are others.
// In a project of your own: import { createTestkit } from "cufflink/testkit";
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { createTestkit, type Testkit } from "../../src/testkit/index.ts";
import { confirm, report } from "./shop.ts";

let kit: Testkit;

beforeEach(async () => {
  kit = await createTestkit({
    resources: `${import.meta.dirname}/components`,
    now: "2026-03-01T12:00:00Z",
    app: (kit) => ({
      bindings: {
        orders: (event) => confirm(event, kit),
        report: () => report(kit),
      },
    }),
  });
});

afterEach(() => kit.close());

const order = { json: { id: 42, email: "ada@example.com" } };

test("an order is confirmed by mail", async () => {
  const settlement = await kit.input("orders").deliver(order);
  assert.equal(settlement.outcome, "handled");
  const [call] = kit.output("mail").calls;
  assert.equal(call?.text(), "Your order 42 is confirmed.");
  assert.deepEqual(call.metadata["emailTo"], "ada@example.com");
});

test("a mail server that is down for half a minute delays the mail", async () => {
  kit.fault("mail: fail first 3");
  const delivered = kit.input("orders").deliver(order);
  await kit.clock.advance("29s");
  assert.equal(kit.output("mail").calls.length, 0);
  await kit.clock.advance("1s");
  assert.equal((await delivered).attempts, 4);
  assert.equal(kit.output("mail").calls.length, 1);
});

test("an order that nobody can read becomes a dead letter", async () => {
  kit.fault("orders: poison 1 in 2");
  const both = Promise.all([1, 2].map(() => kit.input("orders").deliver(order)));
  await kit.clock.until(both);
  const { deadLetters } = await kit.deadLetters.list();
  assert.equal(deadLetters.length, 1);
  assert.equal(deadLetters[0]?.attempts.length, 5);
});

test("a cut before the acknowledgement sends the mail twice", async () => {
  kit.fault("orders: cut at ack");
  const settlement = await kit.clock.until(kit.input("orders").deliver(order));
  assert.equal(settlement.deliveries, 2);
  assert.equal(kit.output("mail").calls.length, 2);
});

test("the office gets its report at seven", async () => {
  await kit.clock.advance("24h");
  assert.equal(kit.input("report").delivered.length, 1);
  assert.deepEqual(kit.output("mail").calls[0]?.at, new Date("2026-03-02T06:00:00Z"));
});

test("the secret of the broker is not needed", () => {
  const [secret] = kit.replacedSecrets;
  assert.equal(secret?.secret, "secrets/broker/url");
});
