import { createPrivateKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { BindingError } from "../../errors.ts";
import { parseAddress } from "../../http-client/address.ts";
import type { QueuesMetadata } from "./fields.ts";

export type QueuesSettings = {
  /** With a slash at its end. Empty: the worker is deployed. */
  readonly workerUrl: string;
  /** Where it is deployed. */
  readonly account: { readonly id: string; readonly token: string } | undefined;
  readonly key: KeyObject;
  /** Milliseconds. */
  readonly timeout: number;
};

const defaultTimeout = 20_000;

/** Throws a `BindingError`, in Dapr's words where it has some. */
export function readSettings(metadata: QueuesMetadata): QueuesSettings {
  const { queueName, key, timeoutInSeconds } = metadata;
  const place = readPlace(metadata);
  if (!/^[\w.-]+$/.test(queueName) || queueName === "." || queueName === "..")
    throw wrong("metadata property 'queueName' is invalid");
  return { ...place, key: readKey(key), timeout: readTimeout(timeoutInSeconds) };
}

function readPlace(metadata: QueuesMetadata): Pick<QueuesSettings, "workerUrl" | "account"> {
  const { workerUrl, workerName, queueName, cfAPIToken: token, cfAccountID: id } = metadata;
  if (workerUrl) {
    parseAddress(workerUrl);
    if (/[?#]/.test(workerUrl)) throw wrong("workerUrl must have no query and no fragment");
    const url = workerUrl.endsWith("/") ? workerUrl : `${workerUrl}/`;
    return { workerUrl: url, account: undefined };
  }
  if (!token || !id)
    throw wrong(
      "invalid component metadata: either 'workerUrl' or the combination of 'cfAPIToken'/'cfAccountID' is required",
    );
  if (!/^[\w-]+$/.test(id)) throw wrong("metadata property 'cfAccountID' is invalid");
  if (!/^[\x21-\x7e]+$/.test(token))
    throw wrong("metadata property 'cfAPIToken' is invalid: it has a space or a line break");
  if (!/^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/.test(workerName))
    throw wrong(
      "workerName: a worker is deployed under at most 63 of a-z, 0-9, - and _; begin and end with a letter or digit",
    );
  if (queueName === "PUBLIC_KEY" || queueName === "TOKEN_AUDIENCE")
    throw wrong(`queueName: a deployed worker has a variable ${queueName}; use another queue`);
  return { workerUrl: "", account: { id, token } };
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
