import { expect, test } from "vitest";
import { bindings } from "../../../src/bindings/index.ts";
import type { Fields } from "../../../src/metadata/fields.ts";
import { parseFields } from "../../../src/metadata/parse.ts";
import { defaultInboundPolicy, defaultOutboundPolicy } from "../../../src/policy/retry.ts";
import { componentFields } from "../../../src/runtime/component/component-fields.ts";
import { ownPolicies } from "../../../src/runtime/component/own-policy.ts";
import { component } from "../fake-binding.ts";

/** What a component of the type says with these values, the first written in line 11. */
function own(type: string, values: Record<string, string>) {
  const binding = bindings.find(({ name }) => name === type)!;
  const properties = Object.keys(values).map((name, index) => ({
    name,
    origin: { file: "c.yaml", line: 11 + index, column: 7 },
  }));
  const metadata = parseFields(binding.metadata as Fields, values).values;
  const settings = parseFields(componentFields, values).values;
  return ownPolicies(component(type, {}, { properties }), binding, metadata, settings);
}

test("what nothing is said about is the default", () => {
  const { inbound, outbound } = own("cron", { schedule: "@every 1s" });
  expect(inbound).toEqual({ retry: defaultInboundPolicy, source: "default" });
  expect(outbound).toEqual({ retry: defaultOutboundPolicy, source: "default" });
});

test("a binding's own fields are named with their places, in any case", () => {
  const { outbound } = own("redis", { redisHost: "h", REDISMAXRETRIES: "5" });
  expect(outbound.retry.attempts).toBe(6);
  expect(outbound.source).toBe("metadata REDISMAXRETRIES (c.yaml:12:7)");
});

test("a binding's own default is named as such", () => {
  const { inbound, outbound } = own("kafka", { brokers: "b" });
  expect(outbound.retry).toMatchObject({ attempts: 6, initial: 100, multiplier: 1 });
  expect(outbound.source).toBe("default of bindings.kafka");
  expect(inbound.source).toBe("default");
});

test("fields of every input go before what the binding derives", () => {
  const kafka = { brokers: "b", consumeRetryEnabled: "true" };
  expect(own("kafka", kafka).inbound).toMatchObject({
    retry: { attempts: Infinity, initial: 5000 },
    source: "metadata consumeRetryEnabled (c.yaml:12:7)",
  });
  const both = { ...kafka, backOffMaxRetries: "2", backOffDuration: "1s" };
  expect(own("kafka", both).inbound).toEqual({
    retry: { attempts: 3, initial: 1000, max: 1000, multiplier: 1, jitter: 0 },
    source: "metadata backOffMaxRetries (c.yaml:13:7), backOffDuration (c.yaml:14:7)",
  });
});
