import { expect, test } from "vitest";
import { defineBinding } from "../../src/binding.ts";
import { lint } from "../../src/resources/lint.ts";
import { loadResources } from "../../src/resources/load.ts";
import { componentFields } from "../../src/runtime/component/component-fields.ts";

const kafka = defineBinding({
  ...{ name: "kafka", status: "stable", summary: "A type of the runtime's own.", metadata: {} },
  open: () => ({ [Symbol.asyncDispose]: async () => {} }),
  operations: {},
});

const yaml = (type: string) => `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: orders}
spec:
  type: bindings.${type}
  version: v1
  metadata:
    - {name: anything, value: here}
    - {name: maxInFlight, value: "2"}
    - {name: direction, value: inptu}
`;

async function findings(type: string, serves: "served" | "awaited" | "unlikely") {
  const bindings = [kafka];
  const options = { frameworkFields: componentFields };
  const texts = [{ file: "a.yaml", text: yaml(type) }];
  const { components } = await loadResources({ paths: [], texts, bindings, ...options });
  const pluggable = { path: "/sockets", serves: () => serves };
  const problems = await lint(components, bindings, { ...options, pluggable });
  return problems.map(({ severity, line, message, suggestion }) => ({
    ...{ severity, line, message, suggestion },
  }));
}

const direction = {
  severity: "warning",
  line: 10,
  message: 'property "direction" must be input, output, or both with a comma between',
  suggestion: "input",
};

test("a type whose socket is there may have any metadata; the runtime's own are checked", async () => {
  expect(await findings("queue", "served")).toEqual([direction]);
});

test("a socket that may come is a warning that says where it is waited for", async () => {
  expect(await findings("kafak", "awaited")).toEqual([
    {
      severity: "warning",
      line: 5,
      message:
        'type "bindings.kafak" is not known; a pluggable component would serve it by the socket /sockets/kafak.sock, which is not there',
      suggestion: "bindings.kafka",
    },
    direction,
  ]);
});

test("without the folder it is an error that says by which socket it would be served", async () => {
  expect(await findings("kafak", "unlikely")).toEqual([
    {
      severity: "error",
      line: 5,
      message:
        'type "bindings.kafak" is not known; a pluggable component would serve it by the socket /sockets/kafak.sock',
      suggestion: "bindings.kafka",
    },
  ]);
});
