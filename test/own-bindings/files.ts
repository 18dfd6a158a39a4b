/** A binding that does nothing, of a type, after some other lines. */
export function nothing(name: string, before = ""): string {
  return `${before}import { defineBinding } from "cufflink";
export default defineBinding({
  name: "${name}",
  status: "alpha",
  summary: "Does nothing.",
  metadata: {},
  open: () => ({ async [Symbol.asyncDispose]() {} }),
  operations: { create: { description: "Does nothing.", request: {}, async invoke() {} } },
});
`;
}

/** A component of a type. */
export function componentOf(type: string): string {
  return `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: { name: ${type.replaceAll(".", "-")} }
spec: { type: bindings.${type}, version: v1, metadata: [] }
`;
}
