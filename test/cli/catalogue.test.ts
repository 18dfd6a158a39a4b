import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import { bindings } from "../../src/bindings/index.ts";
import { cufflinkHere } from "./in-process.ts";

/** A component file of each type of a cloud or a service with every documented field, and one of mistakes. */
const folder = join(import.meta.dirname, "catalogue");
const mistakes = join(folder, "mistakes");

/** Families whose types need a file; the fields of the others stand in the tests of each. */
const families = /^(alicloud|aws|azure|cloudflare|gcp|huawei|zeebe)\./;
const services = new Set([
  "apns",
  "commercetools",
  "dubbo",
  "kubemq",
  "kubernetes",
  "postmark",
  "rocketmq",
  "twilio.sendgrid",
]);
const listed = bindings.filter(({ name }) => families.test(name) || services.has(name));
const typeOf = (file: string): string => file.replace(/\.yaml$/, "");

test("each type of them has both files, and no other has one", () => {
  const names = listed.map(({ name }) => `${name}.yaml`).toSorted();
  expect(yamlIn(folder)).toEqual(names);
  expect(yamlIn(mistakes)).toEqual(names);
});

test.each(listed)("$name: every field is there, and check finds nothing", async (binding) => {
  const path = join(folder, `${binding.name}.yaml`);
  const text = readFileSync(path, "utf8");
  expect(missingFields(binding, text)).toEqual([]);
  const { stdout } = await cufflinkHere(["check", "--json", "--no-secrets", path]);
  expect(JSON.parse(stdout)).toMatchObject({ problems: [] });
});

test.each(yamlIn(mistakes))(
  "%s: each mistake is reported at its line, and no more",
  async (file) => {
    const path = join(mistakes, file);
    const expected = readFileSync(path, "utf8")
      .split("\n")
      .flatMap((line, index) => {
        const text = /# finding: (.+)$/.exec(line)?.[1];
        return text === undefined
          ? []
          : [{ line: index + 1, told: expect.stringContaining(text) as string }];
      });
    expect(expected.length).toBeGreaterThan(0);
    const { stdout } = await cufflinkHere(["check", "--json", "--no-secrets", path]);
    const { problems } = JSON.parse(stdout) as {
      problems: { line: number; message: string; suggestion?: string }[];
    };
    const found = problems.map(({ line, message, suggestion = "" }) => ({
      ...{ line, told: `${message} ${suggestion}` },
    }));
    expect(found).toEqual(expected);
    expect(listed.map(({ name }) => name)).toContain(typeOf(file));
  },
);

function yamlIn(path: string): string[] {
  return readdirSync(path)
    .filter((name) => name.endsWith(".yaml"))
    .toSorted();
}

/** Fields that Dapr has, and that a component is refused for. */
const refused = new Set(["trustAnchorArn", "trustProfileArn"]);

/** The names of the declaration that no component of the file has. */
function missingFields({ metadata }: AnyBinding, text: string): string[] {
  const present = new Set(
    [...text.matchAll(/\bname: *"?([^\s,"}]+)/g)].map(([, name = ""]) => name.toLowerCase()),
  );
  return Object.entries(
    metadata as Record<string, { prefix?: string; deprecated?: string }>,
  ).flatMap(([name, { prefix, deprecated }]) => {
    const found =
      prefix === undefined
        ? present.has(name.toLowerCase())
        : [...present].some((one) => one.startsWith(prefix.toLowerCase()));
    return found || refused.has(name) || deprecated !== undefined ? [] : [name];
  });
}
