import { describe, expect, test } from "vitest";
import type { AnyBinding } from "../../src/binding.ts";
import { definitionOf, type Definition } from "../../src/resources/definition.ts";
import { visibilityBy } from "../../src/resources/visibility.ts";
import { componentFields } from "../../src/runtime/component/component-fields.ts";
import { bindings, check, folder, load } from "./folder.ts";

/** The definition of the component with this name in a file with this text. */
async function definition(text: string, name = "db"): Promise<Definition | undefined> {
  const path = folder({ "a.yaml": text });
  const { components } = await load(path);
  const problems = await check(path);
  const component = components.find((one) => one.name === name);
  const declared: readonly AnyBinding[] = bindings;
  return component && definitionOf(component, visibilityBy(declared, componentFields), problems);
}

const head = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: db
spec:
  type: bindings.redis
  version: v1
`;

test("as it was written, with its comments, as many lines, and without secrets", async () => {
  const text = `# the shop's cache
${head.replace("name: db", "name: db # the cache\n  labels: {team: shop}")}  metadata:
    # host and port
    - name: redisHost
      value: "localhost:6379"   # here
    - name: redisPassword
      value: hunter2-secret
    - {name: redisDB, value: 3}
    - name: readiness
      value: optional
scopes: [shop]
`;
  const found = await definition(text);
  expect(found?.yaml).toBe(text.replace("hunter2-secret", "***"));
  expect(found).toMatchObject({ line: 1, findings: [] });
});

test("one document of several, from its line on, with the findings that are in it", async () => {
  const other = head
    .replace("name: db", "name: other")
    .replace("v1\n", "v1\n  metadata: [{name: redisHosts, value: a}]\n");
  const own = `${head}  metadata:
    - name: redisHost
      value: a
    - name: redisDBs
      value: 3
`;
  const found = await definition(
    `${other}---\n${own}---\n${head.replace("name: db", "name: third")}`,
  );
  expect(found?.line).toBe(other.split("\n").length + 1);
  expect(found?.yaml).toBe(own.replace("value: 3", "value: ***"));
  expect(found?.findings).toEqual([
    {
      ...{ severity: "warning", line: 20, column: 13 },
      message: expect.stringContaining('did you mean "redisDB"?') as string,
    },
  ]);
});

describe("hidden is", () => {
  /** What is shown of it, or how it betrays a secret. */
  const shown = async (text: string, secret: string): Promise<string> => {
    const { yaml = "" } = (await definition(text)) ?? {};
    if (yaml.includes(secret)) return `betrayed: ${yaml}`;
    return yaml.split("\n").length === text.split("\n").length ? yaml : `lines: ${yaml}`;
  };
  const isHidden = expect.stringMatching(/^(?!betrayed|lines)/) as unknown;
  const item = (name: string, value: string): string =>
    `${head}  metadata:\n    - name: redisHost\n      value: here\n    - name: ${name}\n      value: ${value}\n`;

  test("each way in which YAML writes a value", async () => {
    for (const value of [
      ...[
        "'hunter2'",
        '"hunter2"',
        "{a: hunter2}",
        "[hunter2]",
        "|\n        hunter2\n        hunter2",
      ],
      ...[">-\n        hunter2", "&anchor hunter2", "!!str hunter2", "hunter2 # hunter2"],
    ])
      expect(await shown(item("redisPassword", value), "hunter2")).toEqual(isHidden);
  });

  test("a secret wherever else it stands", async () => {
    const comment = "  # the password was hunter2 once\n";
    expect(await shown(item("redisPassword", "hunter2") + comment, "hunter2")).toEqual(isHidden);
    expect(
      await shown(
        `# password: hunter2\n#   - value: hunter2\n# redis://u:hunter2@h\n${head}`,
        "hunter2",
      ),
    ).toEqual(isHidden);
    expect(
      await shown(item("redisPassword", "hunter2").replace("here", "hunter2"), "hunter2"),
    ).toEqual(isHidden);
    const annotations =
      '\n  annotations:\n    kubectl.kubernetes.io/last: |\n      {"value":"hunter2"}';
    expect(await shown(head.replace("name: db", `name: db${annotations}`), "hunter2")).toEqual(
      isHidden,
    );
    expect(
      await shown(head.replace("name: db", "name: db\n  redisPassword: hunter2"), "hunter2"),
    ).toEqual(isHidden);
    expect(
      await shown(`${head}  redisPassword: hunter2\nextra:\n  - hunter2\n`, "hunter2"),
    ).toEqual(isHidden);
  });

  test("what a property that is not known says, one that is given twice, one without a name", async () => {
    expect(await shown(item("nosuch", "hunter2"), "hunter2")).toEqual(isHidden);
    const twice = `${item("redisPassword", "hunter2")}    - name: redisPassword\n      value: hunter3\n`;
    expect(await shown(twice, "hunter2")).toEqual(isHidden);
    expect(await shown(`${item("redisPassword", "x")}    - value: hunter2\n`, "hunter2")).toEqual(
      isHidden,
    );
    const merged = `${head}  metadata:\n    - &a\n      name: redisPassword\n      value: hunter2\n    - <<: *a\n      name: redisHost\n`;
    expect(await shown(merged, "hunter2")).toEqual(isHidden);
    const unknown = item("redisHost", "hunter2").replace("bindings.redis", "bindings.nosuch");
    expect(await shown(unknown, "hunter2")).toEqual(isHidden);
  });

  test("the password of a URL, and a user alone; the host stays", async () => {
    for (const [value, left] of [
      ["redis://user:hunter2@host:1/x", "redis://user:***@host:1/x"],
      ["redis://hunter2@host", "redis://***@host"],
      ["redis://user:hun/ter2@host", "redis://user:***@host"],
      ["redis://user:hunter2@host", "redis://user:***@host"],
    ] as const)
      expect(
        await shown(
          item("redisHost", value).replace("    - name: redisHost\n      value: here\n", ""),
          "ter2",
        ),
      ).toContain(left);
  });

  test("a value beside a reference to a secret, whose name is shown", async () => {
    const text = `${head}  metadata:
    - name: redisHost
      value: here
    - name: redisPassword
      value: hunter2
      secretKeyRef: {name: redis-secret, key: password}
`;
    expect(await shown(text, "hunter2")).toContain(
      "secretKeyRef: {name: redis-secret, key: password}",
    );
  });
});
