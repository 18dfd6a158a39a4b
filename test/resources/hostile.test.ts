import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { BindingError } from "../../src/errors.ts";
import { formatProblem } from "../../src/resources/problem.ts";
import { brief, check, component, folder, load } from "./folder.ts";

const good = component("good", "bindings.redis", "- {name: redisHost, value: h}");
const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\n${"abcdefgh"
  .split("")
  .map(
    (name, index) =>
      `${"bcdefghi"[index]}: &${"bcdefghi"[index]} [${Array(9).fill(`*${name}`).join(",")}]`,
  )
  .join("\n")}`;

const inputs: [name: string, content: string | Uint8Array, message: RegExp][] = [
  ["binary data", Buffer.concat([Buffer.from([0, 1, 2]), Buffer.from("x: 1")]), /binary data/],
  ["random bytes", randomBytes(5000), /UTF-8|binary/],
  ["Latin-1", Buffer.from("name: caf\xe9", "latin1"), /is not UTF-8/],
  ["UTF-16", Buffer.from("\ufeffapiVersion: x", "utf16le"), /is not UTF-8/],
  ["10 MB", "a: b\n".repeat(2_000_000), /larger than 1 MiB/],
  ["deep flow nesting", "[".repeat(100_000), /nested too deeply|no valid YAML/],
  ["deep closed nesting", `${"[".repeat(50_000)}${"]".repeat(50_000)}`, /nested/],
  [
    "deep block nesting",
    Array.from({ length: 600 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n"),
    /nested/,
  ],
  ["an alias bomb", bomb, /more than 50000 parts/],
  ["an alias of itself", "a: &a [*a]", /nested more than 100 deep/],
  ["an alias of nothing", "a: *nothing", /names an anchor that is not above it/],
  ["tabs", "a:\n\tb: 1", /use spaces/],
  ["a colon in a value", "a: b: c", /check the indentation, or quote/],
  ["unclosed brackets", "a: [1, 2", /not closed|missing/],
  ["a list as key", "? [a]\n: b", /a key is a list/],
  ["a text", "hello", /is no resource/],
  ["a list", "- a", /is no resource/],
  ["a bad merge", "<<: 5", /<< takes a mapping/],
];

test.each(inputs)(
  "%s is one clear problem and costs no other file",
  async (_, content, message) => {
    const path = folder({ "a.yaml": content, "b.yaml": good });
    const { components, problems } = await load(path);
    expect(components.map(({ name }) => name)).toEqual(["good"]);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toMatch(message);
  },
);

test("a byte order mark, CRLF and an empty file are no problem", async () => {
  const path = folder({
    "a.yaml": `\ufeff${good.replaceAll("\n", "\r\n")}`,
    "b.yaml": "",
    "c.yaml": "# only a comment\r\n---\r\n",
  });
  const { components, problems } = await load(path);
  expect(problems).toEqual([]);
  expect(components).toHaveLength(1);
  expect(components[0]?.origin).toMatchObject({ line: 3, column: 18 });
});

test("names that JavaScript objects have are ordinary names", async () => {
  const metadata =
    "- {name: __proto__, value: a}\n- {name: constructor, value: b}\n- {name: redisHost, value: h}";
  const path = folder({ "a.yaml": component("toString", "bindings.redis", metadata) });
  expect(brief(await check(path), path)).toEqual([
    'a.yaml:8:14 warning: property "__proto__" is not known and is ignored',
    'a.yaml:9:14 warning: property "constructor" is not known and is ignored',
  ]);
});

test("many components are read in good time", async () => {
  const yaml = Array.from({ length: 2000 }, (_, index) =>
    component(`c${index}`, "bindings.redis", "- {name: redisHost, value: h}"),
  );
  const path = folder({ "a.yaml": yaml.join("---\n") });
  const start = performance.now();
  expect((await load(path)).components).toHaveLength(2000);
  expect(performance.now() - start).toBeLessThan(10_000);
});

/** A random generator that a failing seed repeats. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

const secretTexts = [
  "hunter2-Secret",
  "s3cr3t: colon",
  "-----BEGIN-SECRET",
  "p@ss/word%20",
  '"quoted secret"',
  "päßwörd-geheim",
  "[secret]{x}",
  "# secret comment",
];

// Every place where a value can stand, right or wrong, then the file damaged at random.
test.each(Array.from({ length: 60 }, (_, seed) => seed))(
  "secrets are in no problem and no error (seed %d)",
  async (seed) => {
    const random = randomFrom(seed + 1);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
    const secret = pick(secretTexts);
    const quoted = JSON.stringify(secret);
    const items = [
      `- name: redisPassword\n  value: ${quoted}`,
      `- {name: redisPassword, value: ${quoted}}`,
      `- {name: redisPasswrod, vaule: ${quoted}, value: ${quoted}}`,
      `- name: redisPassword\n  value: |\n    ${secret}\n    ${secret}`,
      `- name: redisPassword\n  # before: ${secret}\n  valeu: '${secret.replaceAll("'", "''")}' # ${secret}`,
      `- name: nonsense\n  value: [${quoted}, {a: ${quoted}}]`,
      `- name: redisPassword\n  secretKeyRef: {name: token}`,
      `- name: redisDB\n  secretKeyRef: {name: token}`,
      `- name: enableTLS\n  secretKeyRef: {name: token}`,
      `- name: redisHost\n  envRef: TOKEN`,
      `- name: redisDB\n  value: x\n  valu: ${quoted}`,
    ];
    const chosen = Array.from({ length: 4 }, () => pick(items)).join("\n");
    const secrets = folder({
      "s.json": JSON.stringify({ token: secret }),
      "broken.json": `{"token": ${quoted}, ${secret}}`,
    });
    const store = component(
      "vault",
      "secretstores.local.file",
      `- {name: secretsFile, value: ${secrets}/${pick(["s.json", "broken.json"])}}`,
    );
    let yaml = `${store}---\n${component("a", "bindings.redis", chosen, "auth: {secretStore: vault}")}`;
    for (let damage = Math.floor(random() * 3); damage > 0; damage--) {
      // Never inside of a secret: half of one is another text.
      const starts = [...yaml.matchAll(/\n|: |- /g)].map((match) => match.index);
      const at = pick(starts);
      yaml =
        yaml.slice(0, at) +
        pick(["\n\t", '\n"', " [", "\n  }", ": ", "\n    ", "&x ", "*x ", "---\n", "@"]) +
        yaml.slice(at);
    }
    const path = folder({ "a.yaml": yaml });
    const env = { TOKEN: secret };
    const { components } = await load(path, { env });
    const problems = await check(path, { env });
    const shown = [
      ...problems.map((problem) => formatProblem(problem)),
      JSON.stringify([problems, components]),
      ...components.map(String),
    ];
    for (const one of components) {
      const thrown: unknown = await one.resolve().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(thrown === undefined || thrown instanceof BindingError).toBe(true);
      shown.push(String(thrown), JSON.stringify(thrown ?? null));
    }
    for (const text of shown) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(quoted.slice(1, -1));
    }
  },
);
