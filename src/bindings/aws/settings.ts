import { BindingError } from "../../errors.ts";
import { parseAddress } from "../../http-client/address.ts";
import {
  configuredEndpoint,
  endpointOf,
  environmentRegion,
  isRegion,
} from "../../identity/aws/region.ts";
import { pemOrFile } from "../../tls/pem.ts";
import type { AwsMetadata } from "./fields.ts";

/** A service as AWS names it. */
export type AwsService = {
  /** As the SDKs name it in messages: `SQS`. */
  readonly id: string;
  /** The first part of its host: `sqs`, `email`. */
  readonly host: string;
  /** The name that requests are signed for; absent: as the host. */
  readonly signedAs?: string;
  /** In `AWS_ENDPOINT_URL_…`; absent: as the id, in capitals. */
  readonly variable?: string;
};

export type AwsSettings = { readonly region: string; readonly endpoint: string };

/** Region and base URL. Throws a `BindingError` for what cannot be used. */
export function settingsOf(metadata: AwsMetadata, service: AwsService): AwsSettings {
  checkMetadata(metadata);
  const variable = service.variable ?? service.id.toUpperCase();
  const own = configuredEndpoint(variable, metadata.endpoint);
  const region = metadata.region || environmentRegion() || (own && "us-east-1");
  if (!region) {
    throw new BindingError(
      "invalid_argument",
      "region is not set, nor is AWS_REGION in the environment, nor a region in the profile",
    );
  }
  if (!isRegion(region))
    throw new BindingError(
      "invalid_argument",
      `region ${JSON.stringify(region)} is no name of one`,
    );
  const endpoint = own ?? endpointOf({ host: service.host, variable, region });
  const address = parseAddress(endpoint);
  if (address.authorization !== undefined || address.path.includes("?"))
    throw new BindingError("invalid_argument", "endpoint must have no user and no query");
  return { region, endpoint };
}

/** Throws a `BindingError` for metadata that do not go together, and for what cannot be had here. */
export function checkMetadata(metadata: AwsMetadata): void {
  for (const name of ["trustAnchorArn", "trustProfileArn"] as const) {
    if (!metadata[name]) continue;
    throw new BindingError(
      "invalid_argument",
      `${name}: IAM Roles Anywhere needs the certificate that Dapr's own authority issues to a workload; remove it, and use keys, a web identity or an assumed role`,
    );
  }
  if (Boolean(metadata.accessKey) !== Boolean(metadata.secretKey)) {
    const [given, missing] = metadata.accessKey
      ? ["accessKey", "secretKey"]
      : ["secretKey", "accessKey"];
    throw new BindingError("invalid_argument", `${given} is set without ${missing}`);
  }
}

/** The authorities to trust; `undefined`: the system's. */
export async function trustOf({ caCert }: AwsMetadata): Promise<{ ca: string } | undefined> {
  const bundle = process.env["AWS_CA_BUNDLE"];
  if (caCert) return { ca: await pemOrFile("caCert", caCert) };
  return bundle ? { ca: await pemOrFile("AWS_CA_BUNDLE", bundle) } : undefined;
}
