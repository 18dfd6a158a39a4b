import type { InboundEvent, Reading } from "../../binding.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { Fields } from "../../metadata/fields.ts";

/** Hands events over, and reads on while there is room, which is mostly known at once, and else waits for it. */
export function deliver(
  events: readonly InboundEvent[],
  reading: Pick<Reading<Fields>, "deliver" | "lost">,
  session: { hold(): void; resume(): void },
): void {
  let room = false;
  let held = false;
  reading.deliver(events).then(
    () => {
      room = true;
      if (held) session.resume();
    },
    (error: unknown) =>
      reading.lost(new BindingError("internal", messageOf(error), { cause: error })),
  );
  setImmediate(() => {
    if (room) return;
    held = true;
    session.hold();
  });
}
