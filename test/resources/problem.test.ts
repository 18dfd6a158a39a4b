import { expect, test } from "vitest";
import { formatProblem } from "../../src/resources/problem.ts";
import { check, folder } from "./folder.ts";

const yaml = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: cache
spec:
  type: bindings.redis
  version: v1
  metadata:
    - name: redisHots # was hunter2
      value: localhost:6379
    - name: redisPassword
      value: hunter2
    - {name: redisDB, value: one, vaule: hunter2}
    - name: enableTLS
      value: hunter2@maybe
`;

async function blocks(text: string, color = false): Promise<string[]> {
  const path = folder({ "redis.yaml": text });
  return (await check(path)).map((problem) =>
    formatProblem({ ...problem, file: problem.file.replace(path, "components") }, { color }),
  );
}

test("a readable block for each problem", async () => {
  expect((await blocks(yaml)).join("\n\n")).toBe(
    `\
components/redis.yaml:13:35 warning: spec.metadata[2].vaule is not known and is ignored; did you mean "value"?
  12 |       value: ***
  13 |     - {name: redisDB, value: one, vaule: ***}
     |                                   ^^^^^

components/redis.yaml:8:3 error: property "redisHost" is required
  7 |   version: v1
  8 |   metadata:
    |   ^^^^^^^^

components/redis.yaml:9:13 warning: property "redisHots" is not known and is ignored; did you mean "redisHost"?
  8 |   metadata:
  9 |     - name: redisHots
    |             ^^^^^^^^^

components/redis.yaml:13:30 error: property "redisDB": "one" is not an integer
  12 |       value: ***
  13 |     - {name: redisDB, value: one, vaule: ***}
     |                              ^^^

components/redis.yaml:15:14 warning: property "enableTLS": "hunter2@maybe" is no boolean and is read as false; write true or false
  14 |     - name: enableTLS
  15 |       value: hunter2@maybe
     |              ^^^^^^^^^^^^^`,
  );
});

test("in colour the text is the same", async () => {
  const plain = await blocks(yaml);
  const colored = await blocks(yaml, true);
  expect(colored[0]).toContain("\u001b[31;1m".replace("31", "33"));
  // oxlint-disable-next-line no-control-regex -- the colours
  expect(colored.map((block) => block.replaceAll(/\u001b\[[0-9;]*m/g, ""))).toEqual(plain);
});

test("a file as a whole has no line", () => {
  const problem = {
    severity: "error",
    file: "a\u001b[2J.yaml",
    line: 0,
    column: 0,
    message: "is bad",
  } as const;
  expect(formatProblem(problem)).toBe("a\ufffd[2J.yaml error: is bad");
});

test("a document that cannot be parsed shows its keys, and where the quote began", async () => {
  const broken = yaml.replace(
    "value: localhost:6379",
    'value: "hunter2\n    - {name: x, value: hunter2}\n  hunter2',
  );
  expect(await blocks(broken)).toEqual([
    `components/redis.yaml:10:14 error: is no valid YAML: this quote is not closed; this document is left out
   9 |     - name: ***
  10 |       value: ***
     |              ^`,
  ]);
});

test("long lines are cut around the place", async () => {
  const long = yaml.replace("vaule: hunter2", `x: [${"a, ".repeat(100)}], vaule: 1`);
  const [, block] = await blocks(long);
  expect(block?.split("\n").every((line) => line.length < 160)).toBe(true);
  expect(block).toContain("vaule");
});
