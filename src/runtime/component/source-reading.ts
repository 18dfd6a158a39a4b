import type { Reader, Reading as BindingReading } from "../../binding.ts";
import { redactedLogger } from "../../redacted-logger.ts";
import { ComponentCheckpoints } from "./component-checkpoints.ts";
import type { InputOptions } from "./input-options.ts";
import type { Opened } from "./opening.ts";

export type Deliver = BindingReading<Record<never, never>>["deliver"];

type Given = Pick<
  BindingReading<Record<never, never>>,
  "maxInFlight" | "lost" | "report" | "signal"
> & { readonly received: () => void; readonly deliver: Deliver };

/** Has the binding read a component's source. Rejects as it does. */
export async function readSource(
  options: Omit<InputOptions, "fleet" | "relay">,
  opened: Opened,
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
    }),
  );
  if (reader === undefined) throw new Error(`bindings.${binding.name} gave no reader`);
  return reader;
}
