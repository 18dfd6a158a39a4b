import { messageOf } from "../../errors.ts";
import { readRegularFile, UnreadableFile } from "../../regular-file.ts";
import { jsonOf, tokenOf, type Exchange } from "./exchange.ts";
import { externalAccount, isExternal } from "./external-account.ts";
import { serviceAccount, type Uses } from "./service-account.ts";
import { noCredentials, textOf, type CredentialSource } from "./source.ts";

const largestFile = 1024 * 1024;
const googleTokens = "https://oauth2.googleapis.com/token";
const impersonatedUrl = /\/v1\/projects\/-\/serviceAccounts\/([^/:]+):generateAccessToken$/;

export type FileUses = Uses & { readonly driver: (name: string) => unknown };

/** Reads credentials as Google's tools write them. Rejects with a `BindingError`; `undefined`: there is no such file. */
export async function credentialFile(
  path: string,
  uses: FileUses,
): Promise<CredentialSource | undefined> {
  let text: string;
  try {
    text = (await readRegularFile(path, { largest: largestFile })).toString("utf8");
  } catch (error) {
    const code = error instanceof UnreadableFile ? error.code : undefined;
    if (code === "ENOENT") return undefined;
    throw noCredentials(`${path} cannot be read: ${code ?? messageOf(error)}`);
  }
  const json = jsonOf(text);
  if (json === undefined) throw noCredentials(`${path} is no JSON`);
  return credentialsOf(json, `in ${path}`, uses);
}

/** Credentials of each type that Google's tools write. `where`: `in /etc/key.json`. Throws a `BindingError`. */
function credentialsOf(json: unknown, where: string, uses: FileUses): CredentialSource {
  const type = textOf(json, "type");
  const field = (name: string): string => {
    const value = textOf(json, name);
    if (value !== undefined) return value;
    throw noCredentials(`the credentials ${where} have no ${name}`);
  };
  const quotaProject = textOf(json, "quota_project_id");
  if (type === "service_account") {
    const account = {
      ...{ email: field("client_email"), privateKey: field("private_key"), quotaProject },
      ...{ keyId: textOf(json, "private_key_id"), tokenUri: textOf(json, "token_uri") },
    };
    uses.hide(account.privateKey);
    return serviceAccount(account, `service account ${account.email} ${where}`, uses);
  }
  if (type === "authorized_user") {
    const secrets = {
      client_secret: field("client_secret"),
      refresh_token: field("refresh_token"),
    };
    for (const secret of Object.values(secrets)) uses.hide(secret);
    const form = { client_id: field("client_id"), ...secrets };
    const url = textOf(json, "token_uri") ?? googleTokens;
    return { ...refreshed(form, url, uses), described: `user's log-in ${where}`, quotaProject };
  }
  if (type === "impersonated_service_account") {
    const inner: unknown = Reflect.get(Object(json), "source_credentials");
    const source = credentialsOf(inner, `${where} (source_credentials)`, {
      ...uses,
      scopes: ["https://www.googleapis.com/auth/cloud-platform"],
    });
    const url = field("service_account_impersonation_url");
    const delegates: unknown = Reflect.get(Object(json), "delegates") ?? [];
    return { ...impersonated(source, url, delegates, where, uses), quotaProject };
  }
  if (isExternal(type)) return { ...externalAccount(json, where, uses), quotaProject };
  throw noCredentials(
    `the credentials ${where} are of the type ${type ?? "none"}, which is not known`,
  );
}

function refreshed(
  form: Readonly<Record<string, string>>,
  url: string,
  { exchange, hide }: { readonly exchange: Exchange; readonly hide: (secret: string) => void },
): Pick<CredentialSource, "token"> {
  const body = new URLSearchParams({ grant_type: "refresh_token", ...form }).toString();
  const contentType = "application/x-www-form-urlencoded";
  return {
    async token(signal) {
      const token = tokenOf(await exchange.post({ url, contentType, body }, signal), url);
      hide(token.token);
      return token;
    },
  };
}

/** Asks for tokens of another service account, in the name of `source`. */
function impersonated(
  source: CredentialSource,
  url: string,
  delegates: unknown,
  where: string,
  { scopes, exchange, hide }: Uses,
): CredentialSource {
  const encoded = impersonatedUrl.exec(url)?.[1];
  if (encoded === undefined)
    throw noCredentials(`service_account_impersonation_url ${where} names no service account`);
  const email = decodeURIComponent(encoded);
  const body = JSON.stringify({ scope: scopes, delegates, lifetime: "3600s" });
  return {
    described: `service account ${email}, impersonated by the ${source.described}`,
    email: async () => email,
    async token(signal) {
      const { token: own } = await source.token(signal);
      const authorization = `Bearer ${own}`;
      const question = { url, contentType: "application/json", body, authorization } as const;
      const answer = await exchange.post(question, signal);
      const token = textOf(answer, "accessToken");
      const end = Date.parse(textOf(answer, "expireTime") ?? "");
      if (token === undefined) throw noCredentials(`${url} answered without a token`);
      hide(token);
      const receivedAt = Date.now();
      const lifetime = end > receivedAt ? end - receivedAt : undefined;
      return { token, receivedAt, lifetime };
    },
  };
}
