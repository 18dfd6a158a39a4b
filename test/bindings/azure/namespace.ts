import { AzureNamespace, type NamespaceOptions } from "../../servers/azure-messaging/server.ts";
import { endAfterTest } from "../contract.ts";

/** A stand-in of the test's own, which ends with it. */
export async function startNamespace(options: NamespaceOptions = {}): Promise<AzureNamespace> {
  const namespace = await AzureNamespace.start(options);
  endAfterTest(() => namespace[Symbol.asyncDispose]());
  return namespace;
}
