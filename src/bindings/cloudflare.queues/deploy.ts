import { createPublicKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { Logger } from "../../binding.ts";
import { clock } from "../../clock.ts";
import { delay } from "../../delay.ts";
import { BindingError } from "../../errors.ts";
import type { Account } from "./account.ts";
import { workerScript } from "./worker-script.ts";
import type { Worker } from "./worker.ts";

export type DeployOptions = {
  readonly account: Account;
  readonly worker: Worker;
  readonly name: string;
  readonly queue: string;
  /** The private key; the worker is told its public part. */
  readonly key: KeyObject;
  readonly logger: Logger;
};

/** Milliseconds. */
const pause = 3000;
/** Milliseconds. */
const longestWait = 60_000;

/**
 * Deploys the worker if it cannot be used as it is, for whatever reason, and waits until it answers. Rejects with a
 * `BindingError` that names the step that failed.
 */
export async function deploy(options: DeployOptions, signal: AbortSignal): Promise<void> {
  const { account, worker, name, queue, key, logger } = options;
  const workerUrl = await account.workerUrl(name, signal);
  const failure = await failureOf(worker, signal);
  if (failure === undefined) return;
  if (signal.aborted) throw failure;
  logger.info({ workerUrl, reason: failure.message }, "deploying the worker");
  const publicKey = createPublicKey(key).export({ type: "spki", format: "pem" });
  await account.upload(
    name,
    workerScript,
    [
      { type: "queue", name: queue, queue_name: queue },
      { type: "plain_text", name: "PUBLIC_KEY", text: publicKey },
      { type: "plain_text", name: "TOKEN_AUDIENCE", text: name },
    ],
    signal,
  );
  await account.enableRoute(name, signal);
  await untilReady(worker, signal);
  logger.info({ workerUrl }, "the worker is deployed");
}

async function untilReady(worker: Worker, signal: AbortSignal): Promise<void> {
  const end = clock.elapsed() + longestWait;
  for (;;) {
    const failure = await failureOf(worker, signal);
    if (failure === undefined) return;
    if (signal.aborted) throw failure;
    if (clock.elapsed() >= end) {
      const { reason, message, systemCode, cause } = failure;
      const text = `worker was not ready in 1 minute; last check failed with error: ${message}`;
      throw new BindingError(reason, text, { effect: "unsent", systemCode, cause });
    }
    await delay(pause, signal);
  }
}

async function failureOf(worker: Worker, signal: AbortSignal): Promise<BindingError | undefined> {
  try {
    await worker.check(signal);
    return undefined;
  } catch (error) {
    return BindingError.from(error, "unavailable", "unsent");
  }
}
