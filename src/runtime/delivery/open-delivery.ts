import { setTimeout as wait } from "node:timers/promises";
import type { AnyBinding } from "../../binding.ts";
import type { ComponentPolicies } from "../../policy/component-policies.ts";
import { AttemptCounts } from "./attempt-counts.ts";
import type { ComponentSettings } from "../component/component-fields.ts";
import type { DeliveryOptions } from "./delivery-options.ts";
import { Delivery } from "./delivery.ts";

/** What a component's own fields, and its policies, do not say. */
type Given = Omit<
  DeliveryOptions,
  | ("onExhausted" | "deduplicate" | "deduplicateWindow" | "maxInFlight" | "maxPerKey" | "orderKey")
  | ("policy" | "onPolicy" | "counts")
>;

/** Makes the way in of one component, with the attempts of before taken up. */
export async function openDelivery(
  { returnsSingly = true, countsAttempts }: Pick<AnyBinding, "returnsSingly" | "countsAttempts">,
  settings: ComponentSettings,
  policies: ComponentPolicies,
  given: Given,
): Promise<Delivery> {
  const counts = new AttemptCounts(given.store?.attempts, given.name, given.logger);
  // A disk that hangs must not keep what is well from being read.
  await Promise.race([counts.load(), wait(longestLoading, undefined, { ref: false })]);
  const { deduplicate, deduplicateWindow, maxInFlight, maxPerKey, orderKey } = settings;
  const usual = countsAttempts === true ? "return" : "deadLetter";
  const wanted = settings.onExhausted ?? { kind: usual };
  const onExhausted = wanted.kind === "return" && !returnsSingly ? haltsInstead : wanted;
  return new Delivery({
    ...given,
    ...{ counts, onExhausted, deduplicate, deduplicateWindow, maxInFlight, maxPerKey, orderKey },
    get policy() {
      return policies.inbound;
    },
    onPolicy: (listener) => policies.onChange(listener),
  });
}

/** In milliseconds. */
const longestLoading = 5_000;
const haltsInstead = { kind: "halt" } as const;
