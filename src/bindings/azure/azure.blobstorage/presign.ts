import { createHmac } from "node:crypto";
import { BindingError } from "../../../errors.ts";
import { parseDuration } from "../../../metadata/duration.ts";
import type { SharedKey } from "../shared-key.ts";

const version = "2021-12-02";

export type Presigned = {
  readonly sharedKey: SharedKey | undefined;
  readonly container: string;
  readonly blob: string;
  /** The blob's URL without a query. */
  readonly url: string;
  readonly signTTL: string;
};

/** A URL by which anybody may read a blob until it ends (a service SAS). Throws a `BindingError` in Dapr's words. */
export function presignedUrl({ sharedKey, container, blob, url, signTTL }: Presigned): string {
  const failed = "error generating SAS URL: ";
  // A number without a unit is none.
  const hasNoUnit = /^[+-]?\d+$/.test(signTTL);
  const milliseconds = hasNoUnit ? undefined : parseDuration(signTTL, 1000);
  if (milliseconds === undefined)
    throw wrong(
      `${failed}cannot parse signTTL duration ${JSON.stringify(signTTL)}${hasNoUnit ? ": time: missing unit in" : ": time: invalid"} duration ${JSON.stringify(signTTL)}`,
    );
  if (milliseconds <= 0)
    throw wrong(`${failed}signTTL must be a positive duration, got ${JSON.stringify(signTTL)}`);
  if (sharedKey === undefined)
    throw wrong(
      `${failed}failed to generate SAS URL (ensure the binding is configured with an account key or connection string)`,
    );
  const end = Date.now() + milliseconds;
  if (!(end < Date.UTC(9999, 0))) throw wrong(`${failed}signTTL ends after the year 9999`);
  const expiry = new Date(end).toISOString().replace(/\.\d+Z$/, "Z");
  const resource = `/blob/${sharedKey.account}/${container}/${blob}`;
  // sp, st, se, resource, identifier, IP, protocol, version, sr, snapshot, encryption scope, and five headers.
  const text = ["r", "", expiry, resource, "", "", "", version, "b", "", "", "", "", "", "", ""];
  const signature = createHmac("sha256", sharedKey.key).update(text.join("\n")).digest("base64");
  const query = new URLSearchParams({
    ...{ se: expiry, sig: signature, sp: "r", sr: "b", sv: version },
  });
  return `${url}?${query.toString()}`;
}

function wrong(message: string): BindingError {
  return new BindingError("invalid_argument", message);
}
