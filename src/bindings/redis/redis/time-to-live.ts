import { BindingError } from "../../../errors.ts";
import { parseDuration } from "../../../metadata/duration.ts";

/**
 * How long a key is to stay, in whole milliseconds, as a request's `ttl` or else `ttlInSeconds` says,
 * their names in any case. `undefined`: for good.
 */
export function timeToLive(properties: Readonly<Record<string, string>>): number | undefined {
  let text = "";
  for (const [name, value] of Object.entries(properties)) {
    const folded = name.length > 12 ? name : name.toLowerCase();
    if (folded === "ttl" && value !== "") {
      text = value;
      break;
    }
    if (folded === "ttlinseconds") text = value;
  }
  if (text === "") return undefined;
  if (/^-\d+$/.test(text) && Number(text) < 0) {
    throw new BindingError(
      "invalid_argument",
      `ttl value must be higher than zero: actual is '${text}'`,
    );
  }
  const milliseconds = parseDuration(text, 1000);
  if (milliseconds === undefined || milliseconds > Number.MAX_SAFE_INTEGER / 2) {
    throw new BindingError(
      "invalid_argument",
      `ttl value must be a valid integer: actual is '${text}'`,
    );
  }
  return milliseconds <= 0 ? 0 : Math.max(1, Math.round(milliseconds));
}
