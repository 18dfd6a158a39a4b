import { AwsClient } from "../../bindings/aws/client.ts";
import type { AwsMetadata } from "../../bindings/aws/fields.ts";
import { checkMetadata, settingsOf, type AwsService } from "../../bindings/aws/settings.ts";
import { BindingError, messageOf } from "../../errors.ts";
import { chainDriverVersions, needsAwsDriver } from "../../identity/aws/identity.ts";
import type { AnySecretStore, OpenedStore, StoreOpening } from "../../secret-store.ts";

/** What AWS's stores have alike. */
export const awsStore = {
  isRemote: true,
  drivers: chainDriverVersions,
  needsDriver: needsAwsDriver,
} as const satisfies Partial<AnySecretStore>;

/** What does not go together. */
export function checkAws(metadata: AwsMetadata, service: AwsService): string[] {
  try {
    checkMetadata(metadata);
    if (metadata.endpoint) settingsOf(metadata, service);
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}

type Opening = Pick<StoreOpening<Record<never, never>>, "memory" | "driver" | "hide"> & {
  readonly metadata: AwsMetadata;
};

/** Opens a client, and reads by it; `not_found` of the service is a secret that is not there. */
export async function openAws(
  { metadata, memory, driver, hide }: Opening,
  service: AwsService,
  read: (
    client: AwsClient,
    name: string,
    signal: AbortSignal,
  ) => Promise<ReadonlyMap<string, string>>,
): Promise<OpenedStore> {
  const client = await AwsClient.open({ metadata, memory, driver, hide }, service);
  return {
    async read(name, { signal }) {
      try {
        return await read(client, name, signal);
      } catch (error) {
        if (error instanceof BindingError && error.reason === "not_found") return undefined;
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}
