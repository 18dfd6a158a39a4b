import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compilePolicies } from "../../src/policy/policies.ts";
import { brief, component, folder, load } from "./folder.ts";

const text = readFileSync(join(import.meta.dirname, "../../docs/policies.md"), "utf8");
const examples = [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, yaml = ""]) => [
  /name: (\w+)/.exec(yaml)?.[1] ?? "",
  yaml,
]);
const kafka = (name: string) => component(name, "bindings.kafka", "- {name: brokers, value: b}");

test("there are examples", () => {
  expect(examples.map(([name]) => name)).toEqual(["shop", "retries", "breakers", "defaults"]);
});

test.each(examples)("the example %s is read without a word, and works", async (_, yaml) => {
  const names = ["orders", "cache", "upstream"];
  const path = folder({ "a.yaml": [yaml, ...names.map(kafka)].join("\n---\n") });
  const { resiliency, problems } = await load(path);
  expect(brief(problems, path)).toEqual([]);
  const policies = await compilePolicies(resiliency!);
  const own = {
    retry: { attempts: 3, initial: 1, max: 1, multiplier: 1, jitter: 0 },
    source: "own",
  };
  const sources = names.flatMap((name) =>
    (["inbound", "outbound"] as const).flatMap((direction) =>
      Object.values(
        policies.resolve({ component: name, kind: "Binding", direction }, own, () => undefined)
          .sources,
      ),
    ),
  );
  expect(sources.some((source) => source.includes("Resiliency"))).toBe(true);
});
