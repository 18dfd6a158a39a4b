import { createPrivateKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { BindingError } from "../../errors.ts";
import { parseAddress } from "../../http-client/address.ts";
import type { QueuesMetadata } from "./fields.ts";

export type QueuesSettings = {
  /** With a slash at its end. */
  readonly url: string;
  readonly key: KeyObject;
  /** Milliseconds. */
  readonly timeout: number;
};

const defaultTimeout = 20_000;

/** Throws a `BindingError`, in Dapr's words where it has some. */
export function readSettings(metadata: QueuesMetadata): QueuesSettings {
  const { workerUrl, cfAPIToken, cfAccountID, queueName } = metadata;
  if (!workerUrl && cfAPIToken && cfAccountID)
    throw wrong(
      "cfAPIToken and cfAccountID: Cufflink deploys no worker; deploy it, and set workerUrl",
    );
  if (!workerUrl)
    throw wrong(
      "invalid component metadata: either 'workerUrl' or the combination of 'cfAPIToken'/'cfAccountID' is required",
    );
  parseAddress(workerUrl);
  if (/[?#]/.test(workerUrl)) throw wrong("workerUrl must have no query and no fragment");
  if (!/^[\w.-]+$/.test(queueName) || queueName === "." || queueName === "..")
    throw wrong("metadata property 'queueName' is invalid");
  const url = workerUrl.endsWith("/") ? workerUrl : `${workerUrl}/`;
  return { url, key: readKey(metadata.key), timeout: readTimeout(metadata.timeoutInSeconds) };
}

function readTimeout(text: string): number {
  if (text === "") return defaultTimeout;
  if (!/^[+-]?\d+$/.test(text)) throw wrong("failed to parse value for 'timeoutInSeconds'");
  const seconds = Number(text);
  return seconds > 0 ? seconds * 1000 : defaultTimeout;
}

function readKey(text: string): KeyObject {
  const label = /-----BEGIN ([A-Z ]+)-----/.exec(text)?.[1];
  if (label === undefined) throw wrong("invalid property 'key': not a PEM-encoded key");
  if (label !== "PRIVATE KEY")
    throw wrong("invalid property 'key': not a private key in PKCS#8 format");
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch {
    throw wrong("invalid property 'key': failed to import private key");
  }
  if (key.asymmetricKeyType === "ed25519") return key;
  throw wrong("invalid property 'key': not an Ed25519 private key");
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
