import { messageOf } from "../../errors.ts";
import type { Uses } from "./service-account.ts";
import { noCredentials, textOf, type CredentialSource } from "./source.ts";

/** Google's library, which knows how to prove to Google who one is elsewhere: by a file, a URL, AWS, a certificate. */
export const library = "google-auth-library";

type Client = {
  scopes?: string | string[];
  readonly credentials: { readonly expiry_date?: number | null };
  getAccessToken(): Promise<{ readonly token?: string | null }>;
};

type ClientClass = new (json: object) => Client;

type Library = {
  readonly AwsClient: ClientClass;
  readonly PluggableAuthClient: ClientClass;
  readonly IdentityPoolClient: ClientClass;
  readonly ExternalAccountAuthorizedUserClient: ClientClass;
};

const impersonatedUrl = /\/serviceAccounts\/([^/:]+):generateAccessToken$/;

/** Whether the library reads credentials of the type. */
export function isExternal(type: string | undefined): boolean {
  return type === "external_account" || type === "external_account_authorized_user";
}

/** An identity of another system, which Google trusts by a workload identity federation. Throws a `BindingError`. */
export function externalAccount(
  json: unknown,
  where: string,
  { scopes, hide, driver }: Uses & { readonly driver: (name: string) => unknown },
): CredentialSource {
  const described = `workload identity federation ${where}`;
  let client: Client;
  try {
    const classOf = clientClass(json, driver(library) as Library);
    client = new classOf(Object(json) as object);
  } catch (error) {
    throw noCredentials(`the ${described} cannot be used: ${messageOf(error)}`, error);
  }
  client.scopes = [...scopes];
  const email = impersonatedUrl.exec(textOf(json, "service_account_impersonation_url") ?? "")?.[1];
  return {
    described,
    email: email === undefined ? undefined : async () => decodeURIComponent(email),
    async token() {
      const { token } = await client.getAccessToken().catch((error: unknown) => {
        throw noCredentials(messageOf(error));
      });
      if (!token) throw noCredentials("no token came");
      hide(token);
      const receivedAt = Date.now();
      const end = client.credentials.expiry_date ?? 0;
      return { token, receivedAt, lifetime: end > receivedAt ? end - receivedAt : undefined };
    },
  };
}

/** The library's own choice, `fromJSON`, writes a warning to the console. */
function clientClass(json: unknown, library: Library): ClientClass {
  if (textOf(json, "type") !== "external_account")
    return library.ExternalAccountAuthorizedUserClient;
  const source = Object(Reflect.get(Object(json), "credential_source")) as object;
  if ("environment_id" in source) return library.AwsClient;
  return "executable" in source ? library.PluggableAuthClient : library.IdentityPoolClient;
}
