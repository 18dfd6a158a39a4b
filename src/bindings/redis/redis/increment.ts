import { BindingError } from "../../../errors.ts";
import type { RedisConnection } from "../connection.ts";

/** One step, so that no count stays without its end; what is no number keeps its own. */
const inOneStep = `
local count = redis.pcall("INCR", KEYS[1])
if type(count) == "table" then return count end
local done = redis.pcall(ARGV[1], KEYS[1], ARGV[2])
if type(done) == "table" then return done end
return count`;

/** Connections whose user may run no scripts. */
const withoutScripts = new WeakSet<RedisConnection>();

/**
 * Adds 1 to a number and has it stay for so many milliseconds: in one step where the user may run scripts, else by INCR and
 * EXPIRE one after the other, as Dapr does.
 */
export async function incrementAndExpire(
  redis: RedisConnection,
  key: string,
  life: number,
): Promise<void> {
  // Whole seconds ask for no right beyond EXPIRE.
  const [command, time] = life % 1000 === 0 ? ["EXPIRE", life / 1000] : ["PEXPIRE", life];
  if (!withoutScripts.has(redis)) {
    try {
      await redis.run((client) => client.eval(inOneStep, 1, key, command, time));
      return;
    } catch (error) {
      if (!isScriptDenied(error)) throw error;
      withoutScripts.add(redis);
    }
  }
  await redis.run((client) => client.incr(key));
  try {
    await redis.run((client) => client.call(command, key, time));
  } catch (error) {
    const { reason, effect, systemCode, message } = BindingError.from(error);
    const text = `the number was raised, but its time to live could not be set: ${message}`;
    throw new BindingError(reason, text, {
      effect: effect === "unsent" ? "ambiguous" : effect,
      systemCode,
      cause: error,
    });
  }
}

/** Of the script itself; what a script may not call is another text. */
function isScriptDenied(error: unknown): boolean {
  return (
    error instanceof BindingError &&
    error.systemCode === "NOPERM" &&
    /'eval' command/i.test(error.message)
  );
}
