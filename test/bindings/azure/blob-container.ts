import { BlobServiceClient, StorageSharedKeyCredential } from "@azure/storage-blob";
import { azuriteAccount } from "../../servers/azurite.ts";
import { uniqueName } from "../../servers/unique-name.ts";

type Server = { readonly url: string };

/** Microsoft's own client of a container that no other test uses. */
export async function makeContainer(server: Server, { create = true } = {}) {
  const { name, key } = azuriteAccount;
  const service = new BlobServiceClient(
    `${server.url}/${name}`,
    new StorageSharedKeyCredential(name, key),
  );
  const containerName = uniqueName("invoices")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-");
  const container = service.getContainerClient(containerName);
  if (create) await container.create();
  const properties: Record<string, string> = blobProperties(server, containerName);
  return { container, properties };
}

export function blobProperties(server: Server, containerName: string): Record<string, string> {
  const { name, key } = azuriteAccount;
  return { accountName: name, accountKey: key, endpoint: server.url, containerName };
}
