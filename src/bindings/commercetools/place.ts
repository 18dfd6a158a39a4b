import { BindingError } from "../../errors.ts";
import { serviceAddress } from "../../http-client/address.ts";
import type { Address } from "../../http-client/address.ts";
import type { CommercetoolsMetadata } from "./fields.ts";

/** Where a project is asked, and where its tokens come from. */
export type Place = {
  readonly graphql: Address;
  readonly tokens: Address;
  /** The address of the tokens as a text. */
  readonly tokenUrl: string;
};

/** Reads it from the metadata. Throws a `BindingError`. */
export function placeOf(metadata: CommercetoolsMetadata): Place {
  const { region, provider, projectKey, apiUrl, authUrl } = metadata;
  for (const [field, value] of Object.entries({ region, provider }))
    if (!/^[a-z\d]([a-z\d-]*[a-z\d])?$/i.test(value))
      throw refused(`${field} is no part of a host's name`);
  if (!/^[\w-]+$/.test(projectKey))
    throw refused("projectKey is none: letters, digits, _ and - only");
  const domain = `${region}.${provider}.commercetools.com`;
  const tokens = serviceAddress("authUrl", authUrl || `https://auth.${domain}`, "oauth/token");
  const graphql = serviceAddress(
    "apiUrl",
    apiUrl || `https://api.${domain}`,
    `${projectKey}/graphql`,
  );
  return { graphql, tokens, tokenUrl: `${tokens.origin}${tokens.path}` };
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", `commercetools error: ${why}`);
}
