import * as fc from "fast-check";
import { isDeepStrictEqual } from "node:util";
import { readByBoth } from "../../resources/both-yaml.ts";
import { mutate, mutations, type Mutation } from "../mutation.ts";
import type { Target } from "../target.ts";

type Input = {
  readonly text: string;
  readonly changes: readonly Mutation[];
};

const component = `---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: orders # a name
spec:
  type: bindings.redis
  metadata:
    # where it is
    - name: redisHost
      value: "here:6379"

    - { name: redisPassword, secretKeyRef: { name: 'a', key: b } }
scopes:
- shop
auth: {secretStore: vault}
`;

const pieces = [
  ...["a", "b: ", "c:", "d:\n", "  ", "    ", "- ", "-", "\n", "\n  ", "\n- ", "\n  - "],
  ...["{", "}", "[", "]", ", ", ",", ": ", ":", "'x'", '"y"', "'it''s'", "# c", " # c", "#"],
  ...["null", "true", "1.5", "-1", "---\n", "--- ", "<<: ", "&a ", "*a", "|", "> ", "!t ", "? "],
  ...["%", "@", "`", "x y", "http://a:1/b?c=d", "k: v\n", "- name: n\n  value: v\n", "a: {b: c}\n"],
  ...["\n\n", "=", "+", "~", "$", "(", "\\", "<", ".", "..."],
];

/** What the plain reader understands it understands as the YAML library does. */
export const plainYaml: Target<Input> = {
  name: "plain-yaml",
  input: fc.record({
    text: fc.oneof(
      fc.constant(component),
      fc.array(fc.constantFrom(...pieces), { maxLength: 10 }).map((parts) => parts.join("")),
    ),
    changes: mutations,
  }),
  async start() {
    return {
      async check({ text, changes }) {
        const { plain, library } = readByBoth(mutate(Buffer.from(text), changes).toString());
        if (plain !== undefined && !isDeepStrictEqual(plain, library))
          throw new Error(`read as ${JSON.stringify(plain)}, not ${JSON.stringify(library)}`);
      },
      async [Symbol.asyncDispose]() {},
    };
  },
};
