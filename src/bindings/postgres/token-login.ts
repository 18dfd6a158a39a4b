import { BindingError } from "../../errors.ts";
import { AwsIdentity, chainDriverVersions, needsAwsDriver } from "../../identity/aws/identity.ts";
import { environmentRegion, isRegion } from "../../identity/aws/region.ts";
import { presignedPath } from "../../identity/aws/signing.ts";
import { entraDrivers, needsEntraDriver, openEntra } from "../../identity/azure/entra.ts";
import { cloudOf } from "../../identity/azure/settings.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import type { PostgresMetadata } from "./fields.ts";

/** Tokens in place of a password: each new connection asks for one. */
export type TokenLogin = AsyncDisposable & {
  /** Rejects with a `BindingError`, `unsent`, that names each way to log in that was tried. */
  readonly password: () => Promise<string>;
};

export type TokenLoginOptions = {
  readonly metadata: PostgresMetadata;
  /** What is connected to, and as whom. */
  readonly server: { readonly host: string; readonly port: number; readonly user: string };
  readonly memory: MemoryShare;
  readonly driver: (name: string) => unknown;
  readonly hide?: ((secret: string) => void) | undefined;
};

export const tokenDrivers = { ...chainDriverVersions, ...entraDrivers };

/** As a binding's `needsDriver`. */
export function needsTokenDriver(name: string, metadata: PostgresMetadata): boolean {
  if (name in entraDrivers) return metadata.useAzureAD && needsEntraDriver(metadata);
  return !(name in chainDriverVersions) || (metadata.useAWSIAM && needsAwsDriver(name, metadata));
}

/** Seconds for which a token of RDS is good, as AWS has it. */
const lifetime = 900;

/** `undefined`: the component logs in by a password, if by anything. Throws a `BindingError` for fields that do not fit. */
export function tokenLogin(options: TokenLoginOptions): TokenLogin | undefined {
  const { useAzureAD, useAWSIAM } = options.metadata;
  if (useAzureAD && useAWSIAM) throw wrong("useAzureAD and useAWSIAM exclude each other; keep one");
  if (useAzureAD) return entraLogin(options);
  return useAWSIAM ? awsLogin(options) : undefined;
}

function entraLogin({ metadata, driver, hide }: TokenLoginOptions): TokenLogin {
  const scope = cloudOf(metadata).databaseScope;
  const entra = openEntra({ settings: metadata, driver, hide });
  return { password: () => entra.token(scope), async [Symbol.asyncDispose]() {} };
}

/** A token is a URL to connect, signed for the server and the user; the server asks AWS about it. */
function awsLogin({ metadata, server, memory, driver, hide }: TokenLoginOptions): TokenLogin {
  const region = metadata.region || environmentRegion();
  if (!region || !isRegion(region))
    throw wrong(
      "failed to validate AWS IAM authentication fields: metadata properties 'region' or 'AWSRegion' is missing",
    );
  const tell = hide ?? (() => undefined);
  const identity = new AwsIdentity({ login: metadata, region, memory, driver, hide });
  const host = `${server.host}:${server.port}`;
  const query = `Action=connect&DBUser=${encoded(server.user)}`;
  return {
    async password() {
      const credentials = await identity.credentials();
      const signed = { service: "rds-db", region, host, path: `/?${query}`, expires: lifetime };
      const token = host + (await presignedPath(signed, credentials, tell));
      tell(token);
      return token;
    },
    [Symbol.asyncDispose]: () => identity[Symbol.asyncDispose](),
  };
}

/** As RFC 3986 has it: all but unreserved characters. */
function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function wrong(text: string): BindingError {
  return new BindingError("invalid_argument", text, { effect: "unsent" });
}
