/**
 * Tells what is worth knowing about a component that works all the same: as a warning, once, and in its state's
 * reason while this connection lasts.
 */
export type Notice = (text: string) => void;

/** The part of pino that bindings use: facts as fields, then a constant message. */
export type Logger = {
  debug<Fields extends object>(fields: LogFields<Fields>, message: string): void;
  info<Fields extends object>(fields: LogFields<Fields>, message: string): void;
  warn<Fields extends object>(fields: LogFields<Fields>, message: string): void;
  error<Fields extends object>(fields: LogFields<Fields>, message: string): void;
};

/**
 * The facts of a log line. A number that measures something is a text with its unit (`pause: "943ms"`); a bare number
 * counts what its field names, or names one thing among others, and its field is one of these.
 */
export type LogFields<Fields extends object> = {
  readonly [Name in keyof Fields]: Name extends CountField | NumberField
    ? Fields[Name]
    : WithUnit<Fields[Name]>;
};

type CountField =
  | (
      | "attempt"
      | "components"
      | "deadLetters"
      | "deliveryLimit"
      | "events"
      | "messages"
      | "refusals"
      | "repeated"
      | "requests"
    )
  | ("lost" | "partitions" | "partitionsBefore" | "passed" | "records" | "ticks" | "truncated")
  | ("consecutiveFailures" | "consecutiveSuccesses" | "totalFailures" | "totalSuccesses")
  | ("handled" | "matched" | "refused" | "skipped")
  | ("backlog" | "inFlight" | "waiting" | "waitingAtSource");

/** Names that are numbers. */
type NumberField =
  | ("delivery" | "generation" | "grpc" | "http" | "node" | "port" | "revision")
  | ("column" | "common" | "end" | "line" | "partition" | "position" | "start");

type WithUnit<Value> = Value extends number | bigint ? "a number needs its unit, as a text" : Value;
