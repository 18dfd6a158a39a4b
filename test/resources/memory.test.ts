import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ResourceMemory } from "../../src/resources/memory.ts";
import { brief, component, folder, load } from "./folder.ts";

const redis = (name: string, host = "a", rest = ""): string =>
  component(name, "bindings.redis", `- {name: redisHost, value: "${host}"}`, rest);

/** A folder that is loaded again and again. */
function loading(files: Record<string, string>) {
  const path = folder(files);
  const memory = new ResourceMemory();
  const env: Record<string, string> = {};
  return {
    path,
    env,
    write: (name: string, text: string | Uint8Array) => writeFileSync(join(path, name), text),
    load: async () => {
      const { components, problems, refused } = await load(path, { memory, env });
      const prints = Object.fromEntries(
        components.map(({ name, fingerprint }) => [name, fingerprint]),
      );
      const names = components.map(({ name }) => name);
      return { names, prints, components, refused, problems: brief(problems, path) };
    },
  };
}

test("the same text has the same fingerprint, wherever it stands and however it is laid out", async () => {
  const { write, load: again } = loading({ "a.yaml": redis("one") });
  const { prints } = await again();
  write("a.yaml", `# a comment\n---\n${redis("zero")}---\n${redis("one", "a", "# more")}`);
  const moved = await again();
  expect(moved.prints["one"]).toBe(prints["one"]);
  expect(moved.components.find(({ name }) => name === "one")?.origin?.line).toBeGreaterThan(8);
  write("a.yaml", redis("one", "b"));
  expect((await again()).prints["one"]).not.toBe(prints["one"]);
});

test("a secret, or an environment variable, that has changed is a change", async () => {
  const text = component(
    "one",
    "bindings.redis",
    "- {name: redisHost, value: a}\n- {name: redisPassword, secretKeyRef: {name: p, key: p}}",
    "auth: {secretStore: vault}",
  );
  const store = component("vault", "secretstores.local.env");
  const { env, load: again } = loading({ "a.yaml": `${text}---\n${store}` });
  const seen = new Set<string | undefined>();
  for (const secret of ["first", "second", undefined, "first"]) {
    if (secret === undefined) delete env["p"];
    else env["p"] = secret;
    const { prints } = await again();
    seen.add(prints["one"]);
    expect(prints["one"]).not.toContain("first");
  }
  expect(seen.size).toBe(3);
});

test("a drawn UUID stays", async () => {
  const { load: again } = loading({ "a.yaml": redis("one", "{uuid}") });
  const [first, second] = [await again(), await again()];
  expect(second.prints).toEqual(first.prints);
  expect(await second.components[0]?.resolve()).toEqual(await first.components[0]?.resolve());
});

test.each<[string, string | Uint8Array]>([
  ["a quote that is not closed", redis("one", "b").replace("value: v1", 'value: "v1')],
  ["an indentation that does not fit", "kind: Component\n metadata: x\n"],
  ["no name yet", "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n"],
  ["no kind yet", "apiVersion: dapr.io/v1alpha1\n"],
  ["no text", new Uint8Array([0, 1, 2])],
  ["a second document that is broken", `${redis("one", "b")}---\na: [`],
])("a file with %s keeps what it defined, and tells it", async (what, text) => {
  const { write, load: again } = loading({ "a.yaml": redis("one"), "b.yaml": redis("two") });
  const before = await again();
  write("a.yaml", what.includes("quote") ? `${redis("one").slice(0, -4)}: "x` : text);
  const { names, prints, refused, problems } = await again();
  expect([names.toSorted(), prints]).toEqual([["one", "two"], before.prints]);
  expect(refused).toBe(true);
  expect(problems.join("\n")).toMatch(/a\.yaml/);
  write("a.yaml", redis("one", "c"));
  const mended = await again();
  expect(mended.prints["one"]).not.toBe(before.prints["one"]);
  expect(mended.refused).toBe(false);
});

test("a file that is gone or empty deletes what it defined", async () => {
  const { path, write, load: again } = loading({ "a.yaml": redis("one"), "b.yaml": redis("two") });
  await again();
  write("a.yaml", "");
  expect(await again()).toMatchObject({ names: ["two"], refused: false });
  rmSync(join(path, "b.yaml"));
  expect(await again()).toMatchObject({ names: [], refused: false });
});

test("a file that cannot be read any more keeps it", async () => {
  const { write, load: again } = loading({ "a.yaml": redis("one") });
  await again();
  write("a.yaml", " ".repeat(2 ** 20 + 1));
  expect(await again()).toMatchObject({ names: ["one"], refused: true });
});

test("a component that is copied to another file stays where it was until that is gone", async () => {
  const { path, write, load: again } = loading({ "b.yaml": redis("one") });
  await again();
  write("a.yaml", redis("one", "copy"));
  const copied = await again();
  expect(copied.components[0]?.origin?.file).toBe(join(path, "b.yaml"));
  expect(copied.problems.join()).toMatch(/a\.yaml:3:18 error: component "one" is already defined/);
  rmSync(join(path, "b.yaml"));
  const moved = await again();
  expect(moved.components[0]?.origin?.file).toBe(join(path, "a.yaml"));
  expect(moved.problems).toEqual([]);
});

test("components of a type that is denied are left out", async () => {
  const path = folder({ "a.yaml": redis("one"), "b.yaml": component("two", "bindings.kafka") });
  const { components, problems } = await load(path, {
    isDenied: (type) => type === "bindings.redis",
  });
  expect(components.map(({ name }) => name)).toEqual(["two"]);
  expect(brief(problems, path).join()).toContain("a.yaml:5:9 error: components of type");
});
