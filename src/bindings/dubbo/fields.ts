import { bool, byteSize, duration, integer, string } from "../../metadata/fields.ts";
import type { Values } from "../../metadata/fields.ts";

const interfaceName = {
  description: "The interface of the service.",
  example: "org.apache.dubbo.samples.UserProvider",
} as const;
const methodName = { description: "The method.", example: "sayHello" } as const;
const version = { description: "The version of the service.", example: "1.0.0" } as const;
const group = { description: "The group of the service.", example: "shop" } as const;
const host = { description: "The provider's host.", example: "users.internal" } as const;
const port = {
  description: "The provider's port.",
  min: 0,
  max: 65_535,
  example: "20880",
} as const;

/** The metadata of a component: what its calls do not name. Dapr reads all of it from the calls alone. */
export const dubboFields = {
  providerHostname: string(host),
  providerPort: integer(port),
  interfaceName: string(interfaceName),
  methodName: string(methodName),
  version: string(version),
  group: string(group),
  timeout: duration({
    description: "The maximum duration of a call. The provider is told it. Dapr has no such field.",
    default: "3s",
    positive: true,
  }),
  maxResponseBodySize: byteSize({
    description: "The maximum size of an answer. A larger one is an error. Dapr has no such field.",
    default: "8Mi",
    within: "answer",
  }),
  allowProviderOverride: bool({
    description:
      "Lets calls name another provider than the component does. Dapr has no such field.",
    default: "false",
  }),
} as const;

export type DubboMetadata = Values<typeof dubboFields>;

/** What a call names; what it leaves out is the component's. */
export const callFields = {
  providerHostname: string({
    ...host,
    description: `${host.description} Default: the component's.`,
  }),
  providerPort: integer({ ...port, description: `${port.description} Default: the component's.` }),
  interfaceName: string({
    ...interfaceName,
    description: `${interfaceName.description} Default: the component's.`,
  }),
  methodName: string({
    ...methodName,
    description: `${methodName.description} Default: the component's.`,
  }),
  version: string({ ...version, description: `${version.description} Default: the component's.` }),
  group: string({ ...group, description: `${group.description} Default: the component's.` }),
} as const;

export type CallRequest = Values<typeof callFields>;
