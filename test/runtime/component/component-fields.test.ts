import { expect, test } from "vitest";
import { parseFields } from "../../../src/metadata/parse.ts";
import { defaultInboundPolicy } from "../../../src/policy/retry.ts";
import {
  componentFields,
  inboundPolicy,
  parseDirections,
} from "../../../src/runtime/component/component-fields.ts";

function policyOf(properties: Record<string, string>, derived = {}) {
  const { values, problems } = parseFields(componentFields, properties);
  expect(problems.filter(({ severity }) => severity === "error")).toEqual([]);
  return inboundPolicy(values, derived);
}

test.each([
  [undefined, undefined],
  ["input", { input: true, output: false }],
  ["Output", { input: false, output: true }],
  [" input , output ", { input: true, output: true }],
  ["", { input: false, output: false }],
])("direction %j", (text, directions) => {
  expect(parseDirections(text)).toEqual(directions);
});

test("what nothing is said about is as it is without words", () => {
  const { values } = parseFields(componentFields, {});
  expect(values).toMatchObject({
    maxInFlight: undefined,
    orderKey: "source",
    replyFanOut: false,
    required: false,
    direction: undefined,
  });
  expect(policyOf({})).toEqual(defaultInboundPolicy);
});

test("a binding derives from its type's own fields; the component's words win", () => {
  expect(policyOf({}, { attempts: 4, initial: 200 })).toMatchObject({ attempts: 4, initial: 200 });
  expect(policyOf({ backOffMaxRetries: "1" }, { attempts: 4 })).toMatchObject({ attempts: 2 });
});

test.each([
  [{ backOffMaxRetries: "-1" }, { attempts: Number.POSITIVE_INFINITY }],
  [{ backOffMaxRetries: "0" }, { attempts: 1 }],
  [
    { backOffPolicy: "constant", backOffDuration: "250ms" },
    { attempts: 10, initial: 250, max: 250, multiplier: 1, jitter: 0 },
  ],
  [{ backOffDuration: "300" }, { initial: 300, max: 300, multiplier: 1 }],
  [{ backOffPolicy: "constant" }, { initial: 5000, max: 5000 }],
  [
    {
      backOffPolicy: "exponential",
      backOffInitialInterval: "1m30s",
      backOffMultiplier: "3",
      backOffRandomizationFactor: "0",
    },
    { initial: 90_000, max: 90_000, multiplier: 3, jitter: 0 },
  ],
  [
    { backOffInitialInterval: "10ms", backOffMaxInterval: "20ms" },
    { initial: 10, max: 20 },
  ],
])("%j", (properties, policy) => {
  expect(policyOf(properties)).toMatchObject(policy);
});

test("maxInFlight is at least one", () => {
  const { problems } = parseFields(componentFields, { maxInFlight: "0" });
  expect(problems).toMatchObject([{ severity: "error", property: "maxInFlight" }]);
});

test.each([
  ["deadLetter", { kind: "deadLetter" }],
  [" DEADLETTER ", { kind: "deadLetter" }],
  ["return", { kind: "return" }],
  ["drop", { kind: "drop" }],
  ["Halt", { kind: "halt" }],
  ["output:parking lot", { kind: "output", output: "parking lot" }],
  ["Output: Parking", { kind: "output", output: "Parking" }],
])("onExhausted %j", (text, expected) => {
  const { values, problems } = parseFields(componentFields, { onExhausted: text });
  expect([values.onExhausted, problems]).toEqual([expected, []]);
});

test.each([
  ["off", undefined],
  ["ID", "id"],
  ["header:Order-Id", { header: "order-id" }],
])("deduplicate %j", (text, expected) => {
  const { values, problems } = parseFields(componentFields, { deduplicate: text });
  expect([values.deduplicate, problems]).toEqual([expected, []]);
});

test.each([
  ["onExhausted", "deadletters", "did you mean deadLetter?"],
  ["onExhausted", "outptu", "did you mean output:NAME?"],
  ["onExhausted", "output:", "must name a component after output:"],
  ["onExhausted", "retry for ever", "must be one of deadLetter, return, drop, halt or output:NAME"],
  ["deduplicate", "ids", "did you mean id?"],
  ["deduplicate", "headers", "did you mean header:NAME?"],
  ["deduplicate", "always", "must be off, id, signature or header:NAME"],
  ["deduplicateWindow", "0s", "must be longer than zero"],
  ["maxPerKey", "0", "must be from 1"],
])("%s %j is refused: %s", (name, text, message) => {
  const { problems } = parseFields(componentFields, { [name]: text });
  expect(problems).toMatchObject([{ severity: "error", property: name }]);
  expect(problems[0]?.message).toContain(message);
});

test("an event is remembered for a day unless somebody says otherwise", () => {
  const { values } = parseFields(componentFields, {});
  expect(values.deduplicateWindow).toBe(86_400_000);
});
