import { createHmac, randomBytes } from "node:crypto";
import type { ComponentSpec } from "../component.ts";
import { formatOrigin } from "../component.ts";
import { BindingError } from "../errors.ts";
import type { ComponentDocument } from "./component-document.ts";
import { resolveProperties, type Properties } from "./property-findings.ts";
import { passwordInUrl } from "../metadata/url-password.ts";
import { Unread, type Resolver } from "./resolve.ts";
import type { Visibility } from "./visibility.ts";

/** What a component was made of. Kept beside it, so that nothing that prints a component prints its values. */
type Loaded = {
  readonly document: ComponentDocument;
  readonly resolver: Resolver;
  /** As far as they were known when it was loaded. */
  readonly properties: Properties;
};

const loadedOf = new WeakMap<ComponentSpec, Loaded>();

/** Where a component that was loaded from a file came from; `undefined`: it was made in code. */
export function documentOf(component: ComponentSpec): Loaded | undefined {
  return loadedOf.get(component);
}

/**
 * The component as the runtime takes it. One whose document has errors is there too, and cannot be resolved. `properties`:
 * as far as they are known; those of remote secret stores may come later.
 */
export function componentSpec(
  document: ComponentDocument,
  resolver: Resolver,
  visible: Visibility,
  properties: Properties,
): ComponentSpec {
  const { source, name, type, version, initTimeout } = document;
  const remoteStores = resolver.remoteStoresOf(document);
  let newest = properties;
  const spec: ComponentSpec = {
    name,
    type,
    version,
    initTimeout,
    origin: source.origin(document.nameRange[0]),
    get fingerprint() {
      return fingerprintOf(document, newest);
    },
    ...(remoteStores.length === 0
      ? {}
      : {
          remoteSecretStores: remoteStores,
          async prepare() {
            newest = await resolveProperties(document, resolver);
          },
        }),
    properties: document.items.map((item) => ({
      name: item.name,
      origin: source.origin(item.nameRange[0]),
    })),
    async resolve(only) {
      const refusals = document.findings.filter(
        ({ severity }) => severity === "error" && only === undefined,
      );
      if (refusals.length > 0) {
        const texts = refusals.map(
          ({ range, message }) => `${formatOrigin(source.origin(range[0]))}: ${message}`,
        );
        throw new BindingError("invalid_argument", texts.join("; "), { effect: "unsent" });
      }
      const resolved = await resolveProperties(document, resolver, { only });
      const { values, unquoted, missing } = resolved;
      if (only === undefined && remoteStores.length > 0) newest = resolved;
      if (missing.size > 0) {
        const texts = [...missing.values()].map(
          ({ range, message }) => `${formatOrigin(source.origin(range[0]))}: ${message}`,
        );
        throw new BindingError("failed_precondition", texts.join("; "), { effect: "unsent" });
      }
      const fromStore = new Set(
        document.items.filter((item) => item.secretKeyRef).map((item) => item.name),
      );
      const hidden = document.items.filter(
        (item) =>
          (unquoted.has(item.name) && fromStore.has(item.name)) || !visible(type, item.name),
      );
      return {
        values: { ...values },
        secrets: [
          ...hidden.flatMap((item) => values[item.name] || []),
          // Of fields that may be shown: the rest of such a URL is no secret.
          ...document.items.flatMap(({ name }) => passwordInUrl(values[name] ?? "")),
        ],
      };
    },
  };
  loadedOf.set(spec, { document, resolver, properties });
  return spec;
}

/** Of this process alone, so that a digest tells nobody a secret. */
const digestKey = randomBytes(32);

function fingerprintOf(document: ComponentDocument, { values, missing }: Properties): string {
  const { type, version, initTimeout, findings } = document;
  const items = document.items.map(({ name }) => {
    const reason = missing.get(name);
    // A store that is away, or was not asked yet, changes nothing.
    if (reason instanceof Unread)
      return [name, reason.last ?? "", reason.last === undefined ? "unread" : ""];
    return [name, values[name] ?? "", reason?.message ?? ""];
  });
  const errors = findings.filter(({ severity }) => severity === "error");
  const facts = [
    ...[type, version, initTimeout],
    items.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1)),
    errors.map(({ message }) => message),
  ];
  return createHmac("sha256", digestKey).update(JSON.stringify(facts)).digest("base64");
}
