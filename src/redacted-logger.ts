import type { Logger } from "./binding.ts";
import { messageOf } from "./errors.ts";
import type { Redact } from "./secrets.ts";
import { traceFields } from "./traced-log.ts";

/**
 * The logger that a binding is handed: no line of its own shows what its component keeps secret, and what it logs in recorded work
 * has the trace's ids.
 */
export function redactedLogger(logger: Logger, redact: Redact): Logger {
  const write =
    (level: keyof Logger): Logger[keyof Logger] =>
    (fields, message) => {
      const shown = shownValue(fields, redact) as typeof fields;
      const traced = traceFields();
      logger[level](traced === undefined ? shown : { ...traced, ...shown }, redact(message));
    };
  return {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  };
}

function shownValue(value: unknown, redact: Redact): unknown {
  if (typeof value === "string") return redact(value);
  if (value instanceof Error) return redact(messageOf(value));
  if (Array.isArray(value)) return value.map((one) => shownValue(one, redact));
  if (typeof value !== "object" || value === null) return value;
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [name, shownValue(one, redact)]),
  );
}
