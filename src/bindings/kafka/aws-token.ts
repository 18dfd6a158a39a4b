import { BindingError } from "../../errors.ts";
import { AwsIdentity } from "../../identity/aws/identity.ts";
import { environmentRegion, isRegion } from "../../identity/aws/region.ts";
import { presignedPath } from "../../identity/aws/signing.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import { prefixed } from "../../http-client/prefixed.ts";
import type { KafkaMetadata } from "./fields.ts";

/** What a login may need of the runtime. */
export type LoginAccess = {
  /** Told what must not be shown: tokens, signatures, keys that are not in the metadata. */
  readonly hide?: ((secret: string) => void) | undefined;
  readonly memory: MemoryShare;
  readonly driver: (name: string) => unknown;
};

/** Seconds. */
const lifetime = 900;

/**
 * Gives the tokens that Amazon MSK takes as OAUTHBEARER: a signed URL, base64url. Throws a `BindingError` where no region
 * is known.
 */
export function awsToken(metadata: KafkaMetadata, access: LoginAccess): () => Promise<string> {
  const region = metadata.region || environmentRegion();
  if (!region || !isRegion(region)) {
    throw new BindingError("invalid_argument", "kafka error: authType awsiam needs region", {
      effect: "unsent",
    });
  }
  const identity = new AwsIdentity({ login: metadata, region, ...access });
  const hide = access.hide ?? (() => undefined);
  const host = `kafka.${region}.amazonaws.com`;
  return async () => {
    const credentials = await prefixed("kafka error: ", Promise.resolve(identity.credentials()));
    const path = await presignedPath(
      {
        ...{ service: "kafka-cluster", region, host, expires: lifetime },
        path: "/?Action=kafka-cluster%3AConnect",
      },
      credentials,
      hide,
    );
    const token = Buffer.from(`https://${host}${path}&User-Agent=cufflink`).toString("base64url");
    hide(token);
    return token;
  };
}
