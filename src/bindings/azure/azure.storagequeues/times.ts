import { BindingError } from "../../../errors.ts";
import { parseDuration } from "../../../metadata/duration.ts";

/** The most seconds that the service takes for a time: what a signed integer of 32 bits has. */
const most = 2 ** 31 - 1;

/**
 * Seconds that a message is kept, of `ttl` or else `ttlInSeconds`, their names in any case; `undefined`: neither says
 * it. Throws a `BindingError` in Dapr's words.
 */
export function timeToLive(properties: Readonly<Record<string, string>>): number | undefined {
  let text = "";
  for (const [name, value] of Object.entries(properties)) {
    const folded = name.toLowerCase();
    if (folded === "ttl" && value !== "") {
      text = value;
      break;
    }
    if (folded === "ttlinseconds") text = value;
  }
  return text === "" ? undefined : secondsToLive(text);
}

/** As {@link timeToLive}, of one text. */
export function secondsToLive(text: string): number {
  if (/^-\d+$/.test(text) && Number(text) < 0)
    throw wrong(`ttl value must be higher than zero: actual is '${text}'`);
  const seconds = secondsOf(text);
  if (seconds === undefined) throw wrong(`ttl value must be a valid integer: actual is '${text}'`);
  return Math.max(0, seconds);
}

/** Seconds that a message is invisible at first. Throws a `BindingError`. */
export function visibilityDelay(text: string): number {
  const seconds = secondsOf(text);
  if (seconds === undefined || seconds < 0)
    throw wrong(
      `invalid value for initialVisibilityDelay: time: invalid duration ${JSON.stringify(text)}`,
    );
  return seconds;
}

/** Whole seconds, as Go cuts them. */
function secondsOf(text: string): number | undefined {
  const milliseconds = parseDuration(text, 1000);
  if (milliseconds === undefined) return undefined;
  const seconds = Math.trunc(milliseconds / 1000);
  return Math.abs(seconds) <= most ? seconds : undefined;
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
