import { BindingError } from "../../errors.ts";
import { duration } from "../../metadata/fields.ts";

const shortest = 10_000;
const longest = 600_000;

export const ackDeadlineField = {
  ackDeadline: duration({
    description:
      "For how long the server leaves a message here unless it is asked for more, 10 s to 10 min. It is asked each third of that. After a crash messages come again so much later.",
    default: "30s",
    direction: "input",
    positive: true,
  }),
};

/** Throws a `BindingError` for what no subscription takes. Milliseconds. */
export function checkAckDeadline(ackDeadline: number): void {
  if (ackDeadline < shortest || ackDeadline > longest)
    throw new BindingError("invalid_argument", "ackDeadline must be from 10s to 10m");
}
