import type { AnyBinding } from "../../binding.ts";
import type { Field } from "../../metadata/fields.ts";
import type { SecretStandIn } from "../../resources/resolve.ts";
import { findBinding, findField } from "../../resources/visibility.ts";

/** A secret in whose place a text of the kit's own stands. */
export type ReplacedSecret = {
  readonly component: string;
  readonly property: string;
  /** `store/name/key`, as the component names it. */
  readonly secret: string;
  /** Why it could not be read. */
  readonly reason: string;
};

/** In the order in which they are tried, until the field takes one. */
const candidates = [
  "stand-in",
  "1",
  "true",
  "30s",
  "stand-in@example.com",
  "https://stand-in.example",
  Buffer.from("stand-in").toString("base64"),
];

/** Puts a text that its field takes in the place of each secret that cannot be read, and says of each that it did. */
export function secretStandIn(
  bindings: () => readonly AnyBinding[],
  onReplaced: (secret: ReplacedSecret) => void,
): SecretStandIn {
  const told = new Set<string>();
  return ({ component, type, property, store, name, key, reason }) => {
    const secret = [store, name, key].filter(Boolean).join("/");
    const id = JSON.stringify([component, property, secret]);
    if (!told.has(id)) {
      told.add(id);
      onReplaced({ component, property, secret, reason });
    }
    const fields = findBinding(bindings(), type)?.metadata;
    return textFor(fields && findField(fields, property));
  };
}

function textFor(field: Field | undefined): string {
  const [usual = ""] = candidates;
  if (field === undefined) return usual;
  const texts = [field.example, field.allowed?.[0], field.default, ...candidates];
  return texts.find((text) => text && "value" in field.parse(text)) ?? usual;
}
