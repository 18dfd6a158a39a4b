import { expect, test } from "vitest";
import { injectText } from "../../../src/kubernetes/inject/yaml-documents.ts";
import { options } from "./objects.ts";

const deployment = `# Orders of the shop.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: orders # as in the bill
spec:
  template:
    metadata:
      annotations:
        dapr.io/enabled: "true"
        dapr.io/app-id: orders
    spec:
      # The app comes first.
      containers:
      - name: app
        image: "app:1" # pinned
        env:
        - name: COUNTRY
          value: "no"
      terminationGracePeriodSeconds: 60
`;
const service = "kind:   Service   # as it was\nmetadata: {name: orders}\n";

test("comments, order and quotes stay; what is not changed stays byte by byte", () => {
  const { text } = injectText(`${service}---\n${deployment}---\n# the end\n`, options);
  const [first, second, third] = text.split(/^---\n/m);
  expect(first).toBe(service);
  expect(third).toBe("# the end\n");
  const lines = second?.split("\n") ?? [];
  let from = 0;
  for (const line of deployment.trimEnd().split("\n")) {
    from = lines.indexOf(line, from) + 1;
    expect(from, line).toBeGreaterThan(0);
  }
  expect(second).toContain("      initContainers:\n      - name: cufflink\n");
});

test("what it has written it does not change", () => {
  const { text } = injectText(`---\n${deployment}---\n${service}`, options);
  const again = injectText(text, options);
  expect(again.text).toBe(text);
  expect(again.injections.map(({ outcome }) => outcome)).toEqual(["unchanged", "ignored"]);
});

test("texts that Kubernetes' parser would take for numbers are quoted", () => {
  const values = ["0o17", "-0o7", "=", "0x1f", "1_000", "on", "12:30:45", "2020-01-01", "~", "1e3"];
  const env = values.map((value, index) => `V${index}=${value}`).join(",");
  const annotations = `{dapr.io/enabled: "true", dapr.io/app-id: a, dapr.io/env: ${JSON.stringify(env)}}`;
  const source = `kind: Pod\nmetadata:\n  annotations: ${annotations}\nspec:\n  containers:\n    - name: a\n`;
  const { text } = injectText(source, options);
  for (const value of values) expect(text).toContain(`value: ${JSON.stringify(value)}\n`);
});

test("JSON stays JSON", () => {
  const pod = {
    kind: "Pod",
    metadata: { name: "one", annotations: { "dapr.io/enabled": "true" } },
    spec: { containers: [{ name: "app" }] },
  };
  const { text } = injectText(JSON.stringify({ kind: "List", items: [pod] }), options);
  const list = JSON.parse(text) as { items: (typeof pod)[] };
  expect(list.items[0]?.spec).toHaveProperty("initContainers.0.name", "cufflink");
});

test("anchors are resolved, and that is told", () => {
  const shared = deployment
    .replace("metadata:\n  name: orders # as in the bill", "metadata: &m\n  name: orders")
    .replace("      # The app comes first.", "      securityContext: &s {}\n      affinity: *s");
  const { text, injections } = injectText(shared, options);
  expect(injections[0]?.outcome).toBe("patched");
  expect(injections[0]?.warnings.join()).toContain("anchors");
  expect(injectText(text, options).text).toBe(text);
});

test("what cannot be read is an error with its line", () => {
  expect(() => injectText(`${service}---\nkind: [\n`, options)).toThrow(/^line [45]: /);
});
