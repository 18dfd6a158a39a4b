import { BindingError } from "../../errors.ts";
import type { Questions } from "../../examination.ts";
import type { RedisConnection } from "./connection.ts";

/** What is the same for each component of Redis: who it is there. */
export async function examineLogin(redis: RedisConnection, { ask }: Questions): Promise<void> {
  await ask("authenticated", "", async () => {
    try {
      return `as ${String(await redis.run((client) => client.call("ACL", "WHOAMI")))}`;
    } catch (error) {
      // Before Redis 6 there are no names; who may not ask for its own is known nevertheless.
      if (error instanceof BindingError && isAnswered(error)) return undefined;
      throw error;
    }
  });
}

/**
 * Whether commands may be run, by what the server says it would answer (`ACL DRYRUN`, Redis 7). Without the right to ask, or
 * where the server does not know the question, that stays open.
 */
export async function examineCommand(
  redis: RedisConnection,
  { ask }: Questions,
  kind: "may read" | "may write",
  command: readonly string[],
): Promise<void> {
  const [name = ""] = command;
  await ask(kind, name, async () => {
    const user = String(await open(redis, ["ACL", "WHOAMI"]));
    const answer = String(await open(redis, ["ACL", "DRYRUN", user, ...command]));
    if (answer !== "OK") throw new BindingError("permission_denied", answer);
    if (kind === "may write" && String(await open(redis, ["ROLE"])).startsWith("slave"))
      throw new BindingError(
        "failed_precondition",
        "the server is a replica, and takes no writes; name the primary in redisHost",
      );
  });
}

/** An answer that leaves the question open, where the server does not answer it. */
async function open(redis: RedisConnection, words: readonly string[]): Promise<unknown> {
  const [name = "", ...rest] = words;
  try {
    return await redis.run((client) => client.call(name, ...rest));
  } catch (error) {
    if (!(error instanceof BindingError) || !isAnswered(error)) throw error;
    throw new BindingError("unimplemented", `the server does not tell: ${error.message}`);
  }
}

function isAnswered({ systemCode }: BindingError): boolean {
  return systemCode === "NOPERM" || systemCode === "ERR";
}
