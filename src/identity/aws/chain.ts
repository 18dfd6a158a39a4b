import { readFile } from "node:fs/promises";
import { BindingError, messageOf } from "../../errors.ts";
import type { AwsCredentials } from "./credentials.ts";
import { assumeRole, assumeRoleWithWebIdentity } from "./sts.ts";
import type { Parameters, Sts } from "./sts.ts";

/** The vendor's library of credential sources, and the version that it was tested with. */
export const chainDriver = "@aws-sdk/credential-providers";
export const chainDriverVersions = { [chainDriver]: "3.1175.0" } as const;

type Provider = () => Promise<AwsCredentials>;
type Assume = (source: AwsCredentials, parameters: Parameters) => Promise<AwsCredentials>;
type AssumeByToken = (parameters: Parameters) => Promise<AwsCredentials>;

/** As much of the library as is used. */
type Library = {
  fromIni(options: {
    ignoreCache: boolean;
    roleAssumer: Assume;
    roleAssumerWithWebIdentity: AssumeByToken;
    clientConfig: { region: string };
  }): Provider;
  fromProcess(options: { ignoreCache: boolean }): Provider;
  fromHttp(options: object): Provider;
  fromContainerMetadata(options: object): Provider;
  fromInstanceMetadata(options: { timeout: number; maxRetries: number }): Provider;
};

type Link = { readonly name: string; readonly find: () => Promise<AwsCredentials | string> };

/**
 * The vendor's default chain, in the order of its Go library, which Dapr has: environment, web identity, profiles
 * (with their roles, sign-ons and programs), container and instance. The library is loaded only for what
 * needs it. Rejects with a `BindingError` that names each link that was tried, and why it gave nothing.
 */
export async function chainCredentials(
  sts: Sts,
  driver: (name: string) => unknown,
  signal: AbortSignal,
): Promise<AwsCredentials> {
  const tried: string[] = [];
  for (const { name, find } of linksOf(sts, driver, signal)) {
    let found: AwsCredentials | string;
    try {
      found = await find();
    } catch (error) {
      // The driver is missing: what remains cannot be tried, and the command to install it is the remedy.
      if (error instanceof BindingError && error.reason === "invalid_argument")
        throw failed(tried, `${name}: ${error.message}`, error.reason);
      const isLast = hasGivenUp(error);
      tried.push(`${name}: ${messageOf(error)}`);
      if (isLast) break;
      continue;
    }
    if (typeof found !== "string") return found;
    tried.push(`${name}: ${found}`);
  }
  throw failed(tried, undefined, "unauthenticated");
}

/** Whether credentials are in the environment or asked for by a token, for which no library is needed. */
export function isChainBuiltIn(environment: NodeJS.ProcessEnv = process.env): boolean {
  return (
    environmentKeys(environment) !== undefined ||
    Boolean(environment["AWS_WEB_IDENTITY_TOKEN_FILE"] && environment["AWS_ROLE_ARN"])
  );
}

function linksOf(sts: Sts, driver: (name: string) => unknown, signal: AbortSignal): Link[] {
  const { env } = process;
  const library = (): Library => driver(chainDriver) as Library;
  const byToken: AssumeByToken = (parameters) => assumeRoleWithWebIdentity(sts, parameters, signal);
  const isContainer =
    env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] || env["AWS_CONTAINER_CREDENTIALS_FULL_URI"];
  const settings = { timeout: 1_000, maxRetries: 1 };
  return [
    {
      name: "environment",
      find: async () =>
        environmentKeys(env) ?? "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set",
    },
    { name: "web identity", find: () => webIdentity(byToken, env) },
    {
      name: `profile ${env["AWS_PROFILE"] || "default"}`,
      find: () =>
        library().fromIni({
          ignoreCache: true,
          roleAssumer: (source, parameters) =>
            assumeRole(sts, { parameters, with: source }, signal),
          roleAssumerWithWebIdentity: byToken,
          clientConfig: { region: sts.region },
        })(),
    },
    {
      name: "program of the profile",
      find: () => library().fromProcess({ ignoreCache: true })(),
    },
    isContainer
      ? { name: "container", find: () => library().fromHttp(settings)() }
      : {
          name: "instance metadata",
          find: async () =>
            env["AWS_EC2_METADATA_DISABLED"]?.toLowerCase() === "true"
              ? "AWS_EC2_METADATA_DISABLED is true"
              : library().fromInstanceMetadata(settings)(),
        },
  ];
}

function environmentKeys(environment: NodeJS.ProcessEnv): AwsCredentials | undefined {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = environment;
  if (!accessKeyId || !secretAccessKey) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
}

async function webIdentity(
  assume: AssumeByToken,
  environment: NodeJS.ProcessEnv,
): Promise<AwsCredentials | string> {
  const file = environment["AWS_WEB_IDENTITY_TOKEN_FILE"];
  const role = environment["AWS_ROLE_ARN"];
  if (!file || !role) return "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not both set";
  // Read each time: it is replaced before it ends.
  const token = (await readFile(file, "utf8")).trim();
  return assume({
    RoleArn: role,
    RoleSessionName: environment["AWS_ROLE_SESSION_NAME"] || `cufflink-${Date.now()}`,
    WebIdentityToken: token,
  });
}

/** The library says of a failure that nothing behind it is to be tried; ours of a role are meant for that role alone. */
function hasGivenUp(error: unknown): boolean {
  if (error instanceof BindingError) return true;
  return error instanceof Error && "tryNextLink" in error && error.tryNextLink === false;
}

function failed(
  tried: readonly string[],
  last: string | undefined,
  reason: "invalid_argument" | "unauthenticated",
): BindingError {
  const all = last === undefined ? tried : [...tried, last];
  return new BindingError(reason, `no AWS credentials; tried ${all.join("; ")}`, {
    effect: "unsent",
  });
}
