import { duration } from "../../metadata/fields.ts";

/** How messages of a queue are received, of every input that reads one. */
export const queueReadingFields = {
  visibilityTimeout: duration({
    description:
      "How long a message that was received is hidden from other consumers; renewed while the app or the runtime has it. From `1s` to `12h`.",
    default: "30s",
    positive: true,
    direction: "input",
  }),
  waitTime: duration({
    description: "How long one request waits for messages, from `1s` to `20s`.",
    default: "20s",
    positive: true,
    direction: "input",
  }),
} as const;
