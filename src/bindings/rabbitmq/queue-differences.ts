/** One thing in which the queue at the server differs from what the metadata says. */
export type Difference = {
  /** As the server calls it: `durable`, `auto_delete`, or an argument such as `x-message-ttl`. */
  readonly argument: string;
  readonly declared: Value;
  readonly current: Value;
};

/** `undefined`: the argument is not there. */
type Value = string | number | boolean | undefined;

/** The metadata fields by the server's names. */
const fields: Readonly<Record<string, string>> = {
  durable: "durable",
  "non-durable": "durable",
  auto_delete: "deleteWhenUnused",
  "auto-delete": "deleteWhenUnused",
  "exclusive-owner": "exclusive",
  "x-queue-type": "queueType",
  "x-delivery-limit": "deliveryLimit",
  "x-single-active-consumer": "singleActiveConsumer",
  "x-dead-letter-exchange": "deadLetterExchange",
  "x-dead-letter-routing-key": "deadLetterRoutingKey",
  "x-dead-letter-strategy": "deadLetterStrategy",
  "x-max-length": "maxLength",
  "x-max-length-bytes": "maxLengthBytes",
  "x-overflow": "overflow",
  "x-expires": "queueExpires",
  "x-message-ttl": "ttl",
  "x-max-priority": "maxPriority",
};

const numeric: ReadonlySet<string> = new Set([
  ...["x-delivery-limit", "x-max-length", "x-max-length-bytes", "x-expires"],
  ...["x-message-ttl", "x-max-priority"],
]);

/** What the server's refusal of a declaration names; `undefined`: it refuses for another reason. */
export function differenceOf(text: string): Difference | undefined {
  const match =
    /inequivalent arg '([^']+)' for queue '.*' in vhost '.*': received (.+) but current is (.+?)"?$/s.exec(
      text,
    );
  const [, argument, received, current] = match ?? [];
  if (argument === undefined || received === undefined || current === undefined) return undefined;
  return { argument, declared: valueOf(argument, received), current: valueOf(argument, current) };
}

/** The metadata field that a refusal is about, if it names one. */
export function fieldOfRefusal(text: string): string | undefined {
  const [, name = ""] = /invalid (?:arg|property) '([^']+)'/.exec(text) ?? [];
  return fields[name];
}

/** `durable is false here and true at the server`, for people. */
export function describe({ argument, declared, current }: Difference): string {
  const field = fields[argument] ?? argument;
  return `${field} is ${shown(declared)} here and ${shown(current)} at the server`;
}

function shown(value: Value): string {
  if (value === undefined) return "not set";
  return value === "" ? '""' : String(value);
}

/** `none`, `'true'`, or `the value '5' of type 'byte'`. */
function valueOf(argument: string, text: string): Value {
  if (text === "none") return undefined;
  const typed = /^(?:the value )?'(.*?)'(?: of type '([a-z]+)')?$/s.exec(text);
  const value = typed?.[1] ?? text;
  const type = typed?.[2];
  if (type === "longstr") return value;
  if (value === "true" || value === "false") return value === "true";
  const isNumber = type === undefined ? numeric.has(argument) : /^-?\d+$/.test(value);
  return isNumber ? Number(value) : value;
}
