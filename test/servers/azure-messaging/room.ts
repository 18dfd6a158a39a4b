import type { Sender } from "rhea";

type Outgoing = {
  readonly next_delivery_id: number;
  readonly next_pending_delivery: number;
  readonly deliveries: { by_id(id: number): { readonly link: unknown } | undefined };
};

/** How many messages may be sent: the credit less what the driver has not written yet, which it counts only then. */
export function roomOf(sender: Sender): number {
  const { outgoing } = sender.session as unknown as { outgoing: Outgoing };
  let queued = 0;
  for (let id = outgoing.next_pending_delivery; id < outgoing.next_delivery_id; id++)
    if (outgoing.deliveries.by_id(id)?.link === sender) queued++;
  return (sender as unknown as { credit: number }).credit - queued;
}
