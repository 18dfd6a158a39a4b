import { homedir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../errors.ts";
import type { Token } from "../../oauth/token.ts";
import { credentialFile, type FileUses } from "./key-file.ts";
import { machineAccount, metadataHost } from "./metadata-server.ts";
import { noCredentials, type CredentialSource } from "./source.ts";

export const fileVariable = "GOOGLE_APPLICATION_CREDENTIALS";

/** Credentials that have given a token. */
export type Found = { readonly source: CredentialSource; readonly first: Token };

/**
 * Google's default credentials: the file that the environment names, the file of `gcloud auth application-default
 * login`, the machine's own service account. The first that is there is used, and must work. Rejects with a
 * `BindingError` that tells of each what was tried and why it is none.
 */
export async function defaultCredentials(
  environment: NodeJS.ProcessEnv,
  uses: FileUses,
  signal: AbortSignal,
): Promise<Found> {
  const tried: string[] = [];
  const failed = (error: unknown): never => {
    tried.push(messageOf(error));
    throw noCredentials(`no credentials of Google's cloud: ${tried.join("; ")}`, error);
  };
  const proven = async (source: CredentialSource): Promise<Found> => {
    try {
      return { source, first: await source.token(signal) };
    } catch (error) {
      return failed(noCredentials(`the ${source.described}: ${messageOf(error)}`, error));
    }
  };
  tried.push("the metadata has no privateKeyID");
  const named = environment[fileVariable];
  if (named) {
    const source = await credentialFile(named, uses).catch((error: unknown) =>
      failed(noCredentials(`${fileVariable}: ${messageOf(error)}`, error)),
    );
    return source === undefined
      ? failed(noCredentials(`${fileVariable}: there is no file ${named}`))
      : proven(source);
  }
  tried.push(`${fileVariable} is not set`);
  const usual = gcloudFile(environment);
  const source = await credentialFile(usual, uses).catch(failed);
  if (source !== undefined) return proven(source);
  tried.push(`there is no file ${usual} (gcloud auth application-default login)`);
  const host = metadataHost(environment);
  if (host === undefined)
    return failed(noCredentials("the metadata server is not asked (NO_GCE_CHECK)"));
  return proven(machineAccount(host, uses));
}

function gcloudFile(environment: NodeJS.ProcessEnv): string {
  const { CLOUDSDK_CONFIG: folder, APPDATA: windows } = environment;
  const usual =
    process.platform === "win32" && windows
      ? join(windows, "gcloud")
      : join(environment["HOME"] || homedir(), ".config", "gcloud");
  return join(folder || usual, "application_default_credentials.json");
}
