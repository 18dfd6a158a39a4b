import type { RabbitmqMetadata } from "./fields.ts";
import { describe } from "./queue-differences.ts";
import type { Queue } from "./queue.ts";

/** What is worth knowing about the queue as it is at the server. `attempts`: those of the runtime; absent: it is not read. */
export function queueNotices(
  { queueName }: RabbitmqMetadata,
  { differences, refusal, deliveryLimit, deadLetterExchange }: Queue,
  attempts?: number,
): string[] {
  const texts: string[] = [];
  if (differences.length > 0 || refusal !== undefined) {
    const list = [...differences.map(describe), ...(refusal === undefined ? [] : [refusal])].join(
      ", ",
    );
    texts.push(`queue ${queueName} is there and made otherwise; it is used as it is: ${list}`);
  }
  if (attempts !== undefined && deliveryLimit !== undefined && deliveryLimit < attempts) {
    const fate =
      deadLetterExchange === undefined
        ? "drops it"
        : `moves it to exchange ${deadLetterExchange || "(default)"}`;
    const wanted = Number.isFinite(attempts) ? `${attempts} attempts` : "attempts without end";
    texts.push(
      `the delivery limit of queue ${queueName} is ${deliveryLimit}, and the policy has ${wanted}: the server ${fate}` +
        ` when a message is returned more often, as each end of the process or the connection does with what is unhandled`,
    );
  }
  return texts;
}
