import type { AnyBinding } from "../binding.ts";
import type { ComponentSettings } from "./component-fields.ts";
import type { DeliveryOptions } from "./delivery-options.ts";

type DeliverySettings = Pick<
  DeliveryOptions,
  "onExhausted" | "deduplicate" | "deduplicateWindow" | "maxInFlight" | "maxPerKey" | "orderKey"
>;

/** What a component's fields say about its delivery, as far as its binding allows. */
export function deliverySettings(
  settings: ComponentSettings,
  { returnsSingly = true }: Pick<AnyBinding, "returnsSingly">,
): DeliverySettings {
  const { deduplicate, deduplicateWindow, maxInFlight, maxPerKey, orderKey } = settings;
  const { kind } = settings.onExhausted;
  const onExhausted = kind === "return" && !returnsSingly ? haltsInstead : settings.onExhausted;
  return { onExhausted, deduplicate, deduplicateWindow, maxInFlight, maxPerKey, orderKey };
}

const haltsInstead = { kind: "halt" } as const;
