import type { Logger } from "../../binding.ts";
import { formatDuration } from "../../metadata/duration.ts";
import type { BreakerListener } from "../../policy/policies.ts";

/** Logs each change of a breaker's state: that it opened as a warning, with what it had counted. */
export function logBreaker(logger: Logger): BreakerListener {
  return ({ direction }, { name, passesIn }, state, counts) => {
    const facts = { breaker: name, direction, state, ...counts };
    if (state === "open")
      logger.warn(
        { ...facts, passesIn: formatDuration(passesIn) },
        "circuit breaker opened; nothing goes through",
      );
    else logger.info(facts, "circuit breaker changed");
  };
}
