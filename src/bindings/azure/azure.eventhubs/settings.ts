import { BindingError } from "../../../errors.ts";
import { needsEntraDriver } from "../../../identity/azure/entra.ts";
import { cloudOf } from "../../../identity/azure/settings.ts";
import { namespaceOf } from "../messaging-access.ts";
import { readConnectionString } from "../messaging-connection-string.ts";
import { readStorageConnectionString, type Account } from "../storage-connection-string.ts";
import { loginOf, serviceUrl } from "../storage-login.ts";
import type { HubMetadata } from "./fields.ts";

export type HubSettings = {
  readonly hub: string;
  /** As Azure's libraries write it in the names of blobs. */
  readonly namespaceName: string;
  readonly managesEntities: boolean;
};

/** Throws a `BindingError` where the fields do not go together. */
export function settingsOf(metadata: HubMetadata): HubSettings {
  const { connectionString, eventHubNamespace, eventHub, enableEntityManagement } = metadata;
  if (!connectionString && !eventHubNamespace)
    throw refused("one of connectionString or eventHubNamespace is required");
  if (connectionString && eventHubNamespace)
    throw refused("only one of connectionString or eventHubNamespace should be passed");
  if (connectionString) {
    const { entity, host, port } = readConnectionString(connectionString);
    const hub = entity || eventHub;
    if (!hub)
      throw refused(
        "the provided connection string does not contain a value for 'EntityPath' and no 'eventHub' property was passed",
      );
    const name = host.includes(":") ? `[${host}]` : host;
    return {
      hub: checked("eventHub", hub),
      namespaceName: port === undefined ? name : `${name}:${port}`,
      managesEntities: false,
    };
  }
  if (!eventHub) throw refused("property 'eventHub' is required when connecting with Azure AD");
  if (enableEntityManagement) {
    if (!metadata.resourceGroupName)
      throw refused("property resourceGroupName is required for entity management");
    if (!metadata.subscriptionID)
      throw refused("property subscriptionID is required for entity management");
  }
  return {
    hub: checked("eventHub", eventHub),
    namespaceName: namespaceNameOf(metadata),
    managesEntities: enableEntityManagement,
  };
}

function namespaceNameOf(metadata: HubMetadata): string {
  const { eventHubNamespace: given = "" } = metadata;
  const isWhole = given.includes(".") || given.includes(":");
  const name = isWhole ? given : `${given}.${cloudOf(metadata).serviceBusSuffix}`;
  namespaceOf(name);
  return name;
}

/** What an input needs beside; `undefined`: nothing of it was given. Throws a `BindingError`. */
export function storageSettingsOf(
  metadata: HubMetadata,
): { readonly group: string; readonly container: string } | undefined {
  const { consumerGroup, storageContainerName, storageAccountName, storageConnectionString } =
    metadata;
  if (!consumerGroup && !storageContainerName && !storageAccountName && !storageConnectionString)
    return undefined;
  if (!consumerGroup)
    throw refused("property consumerID is required to subscribe to an Event Hub topic");
  if (!storageConnectionString && !storageAccountName)
    throw refused("property storageAccountName is required to subscribe to an Event Hub topic");
  if (!storageContainerName)
    throw refused("property storageContainerName is required to subscribe to an Event Hub topic");
  // It is part of an address, and of the names of blobs.
  if (consumerGroup !== "$Default") checked("consumerGroup", consumerGroup.replace(/^\$/, ""));
  return { group: consumerGroup, container: storageContainerName };
}

/** The storage account. Throws a `BindingError`; asks for nothing. */
export function storageOf(
  metadata: HubMetadata,
  tools: {
    readonly driver: (name: string) => unknown;
    readonly hide: ((secret: string) => void) | undefined;
  },
): Account {
  const { storageConnectionString: text, storageAccountName: accountName = "" } = metadata;
  if (text) return readStorageConnectionString("storageConnectionString", "blob", text, tools.hide);
  const login = { ...metadata, accountName, accountKey: metadata.storageAccountKey };
  return {
    url: serviceUrl("blob", accountName, cloudOf(metadata).storageSuffix, undefined),
    login: loginOf({ metadata: login, ...tools }),
  };
}

/** Whether the hub or the storage account is entered by Entra ID, and needs its library. */
export function needsEntra(metadata: HubMetadata): boolean {
  const { connectionString, storageConnectionString, storageAccountKey } = metadata;
  const hasStorageLogin = storageConnectionString || storageAccountKey;
  const isEntra = !connectionString || (metadata.storageAccountName && !hasStorageLogin);
  return Boolean(isEntra) && needsEntraDriver(metadata);
}

function checked(field: string, name: string): string {
  if (/^[a-z0-9][\w.-]{0,255}$/i.test(name)) return name;
  throw refused(`${field} can have letters, digits, full stops, hyphens and underscores`);
}

function refused(why: string): BindingError {
  return new BindingError("invalid_argument", why);
}
