import type { AnyAuthMethod, AuthHandlerMiddleware } from "ssh2";
import { abortable } from "../../abortable.ts";
import { BindingError, messageOf } from "../../errors.ts";
import type { Driver, ParsedKey, SftpWrapper } from "./driver.ts";
import type { SftpMetadata } from "./fields.ts";
import { hostAddress } from "./host-address.ts";
import { hostCheck } from "./host-keys.ts";
import { privateKey } from "./private-key.ts";
import { Session } from "./session.ts";

/** How long a log-in may take, in milliseconds. */
const longestLogin = 20_000;
/** A server that is silent for so long is asked, in milliseconds. */
const aliveInterval = 5_000;
/** After so many questions without an answer the connection is lost. */
const mostUnanswered = 3;

/** Connects and logs in. Throws a `BindingError` which is `unsent`. */
export async function connect(
  driver: Driver,
  metadata: SftpMetadata,
  { signal, lost }: { signal: AbortSignal; lost: (reason: unknown) => void },
): Promise<Session> {
  const address = hostAddress(metadata.address);
  const check = await hostCheck(metadata, address);
  const key = metadata.privateKey
    ? privateKey(driver, metadata.privateKey, metadata.privateKeyPassphrase)
    : undefined;
  const where = `${address.host}:${address.port}`;
  let refusal: string | undefined;
  const client = new driver.Client();
  try {
    signal.throwIfAborted();
    const ready = new Promise<void>((resolve, reject) => {
      client.once("ready", resolve);
      // It may tell of more than one.
      client.on("error", reject);
      client.once("close", () => reject(new Error("the server has closed the connection")));
      client.connect({
        ...address,
        username: metadata.username,
        authHandler: authentication(metadata, key),
        ...(check.algorithms === undefined
          ? {}
          : { algorithms: { serverHostKey: [...check.algorithms] as never } }),
        hostVerifier: (offered: Buffer) => {
          refusal = check.verify(offered);
          return refusal === undefined;
        },
        readyTimeout: longestLogin,
        keepaliveInterval: aliveInterval,
        keepaliveCountMax: mostUnanswered,
      });
      client.setNoDelay(true);
    });
    await abortable(ready, signal);
    const opening = new Promise<SftpWrapper>((resolve, reject) => {
      client.once("close", () => reject(new Error("the server has closed the connection")));
      client.sftp((error, opened) => (error ? reject(error) : resolve(opened)));
    });
    return new Session(client, await abortable(opening, signal), lost);
  } catch (error) {
    client.on("error", () => undefined);
    client.destroy();
    throw connectFailure(where, error, refusal);
  }
}

/** By the key first, then by the password, as Dapr does; each only where the server takes it. */
function authentication(
  { username, password }: SftpMetadata,
  key: ParsedKey | undefined,
): AuthHandlerMiddleware {
  const ways: AnyAuthMethod[] = [];
  if (key !== undefined) ways.push({ type: "publickey", username, key: key as never });
  if (password) {
    ways.push({ type: "password", username, password });
    ways.push({
      type: "keyboard-interactive",
      username,
      // One hidden question is the one for the password.
      prompt: (_name, _instructions, _language, prompts, answer) =>
        answer(prompts.length === 1 && prompts[0]?.echo !== true ? [password] : []),
    });
  }
  return (left, _partial, next) => {
    // At first nobody knows yet what the server takes.
    const taken = left as typeof left | null;
    const index = ways.findIndex(({ type }) => taken?.includes(type) ?? true);
    const [way] = index < 0 ? [] : ways.splice(index, 1);
    next(way ?? (false as never));
  };
}

function connectFailure(where: string, thrown: unknown, refusal: string | undefined): BindingError {
  if (thrown instanceof BindingError) return thrown;
  const what = `sftp binding error: create sftp client error: ${where}`;
  if (refusal !== undefined) {
    return new BindingError(
      "failed_precondition",
      `${what}: the server's key is not the expected one: ${refusal}`,
      { effect: "unsent" },
    );
  }
  const level = thrown instanceof Error && "level" in thrown ? String(thrown.level) : "";
  if (level === "client-authentication") {
    return new BindingError("unauthenticated", `${what}: the server refused the log-in`, {
      effect: "unsent",
    });
  }
  if (/no matching host key/.test(messageOf(thrown))) {
    return new BindingError(
      "failed_precondition",
      `${what}: the server has no key of the expected kind`,
      { effect: "unsent" },
    );
  }
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : undefined;
  return new BindingError("unavailable", `${what}: ${messageOf(thrown)}`, {
    effect: "unsent",
    systemCode: code,
  });
}
