import type { Reader, Reading as BindingReading } from "../../binding.ts";
import { redactedLogger } from "../../redacted-logger.ts";
import { ComponentCheckpoints } from "./component-checkpoints.ts";
import { ComponentTicks } from "./component-ticks.ts";
import type { Ownership } from "../ownership.ts";
import type { InputOptions } from "./input-options.ts";
import type { Opened } from "./opening.ts";

export type Deliver = BindingReading<Record<never, never>>["deliver"];

/** Reads a source for whoever has its lease; `undefined`: it needs none. */
export type ReadSource = (
  deliver: Deliver,
  signal: AbortSignal,
  ownership: Ownership | undefined,
) => Promise<Reader>;

type Given = Pick<
  BindingReading<Record<never, never>>,
  "maxInFlight" | "lost" | "report" | "signal"
> & { readonly received: () => void; readonly deliver: Deliver };

/** Has the binding read a component's source. Rejects as it does. */
export async function readSource(
  options: Omit<InputOptions, "fleet" | "relay">,
  opened: Opened,
  ownership: Ownership | undefined,
  { received, deliver, ...given }: Given,
): Promise<Reader> {
  const { appId, name, logger, policies, observer, memory, store, notice, run } = options;
  const { binding } = options.code;
  const reader = await run(async () =>
    binding.read?.(opened.connection, {
      component: { name, appId },
      metadata: opened.metadata,
      ...{ ...given, memory },
      logger: redactedLogger(logger, opened.redact),
      hide: opened.hide,
      attempts: policies.inbound.retry.attempts,
      notice: (text) => notice(opened.redact(text)),
      deliver: (events, source) => {
        options.received(events.length);
        received();
        return deliver(events, source);
      },
      missed: (events, why) => observer.missed(name, events, why),
      checkpoints: new ComponentCheckpoints(store?.checkpoints, name, logger),
      ticks: new ComponentTicks(store?.checkpoints, name, ownership),
    }),
  );
  if (reader === undefined) throw new Error(`bindings.${binding.name} gave no reader`);
  return reader;
}
