import type { Driver } from "../../amqp-client/driver.ts";
import type { ServerAddress } from "../../amqp-client/server-address.ts";
import type { Opening } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { openEntra } from "../../identity/azure/entra.ts";
import type { EntraSettings } from "../../identity/azure/settings.ts";
import type { Fields } from "../../metadata/fields.ts";
import { tlsProxyFor } from "../../proxy/rules.ts";
import { authoritiesOf, tlsMaterial } from "../../tls/pem.ts";
import { readConnectionString } from "./messaging-connection-string.ts";
import { entraAccess, sharedAccess, type Credentials } from "./messaging-credentials.ts";

/** Every cloud takes tokens of this scope for both services. */
const scope = "https://servicebus.azure.net/.default";
const plainPort = 5672;
const tlsPort = 5671;
const webSocketPort = 443;
const webSocketPath = "/$servicebus/websocket";

/** Where a namespace is, and how it is entered. */
export type Access = {
  readonly address: ServerAddress;
  readonly credentials: Credentials;
  /** The queue or hub that the connection string is for. */
  readonly entity: string | undefined;
  /** The vendor's emulator, which has no TLS. */
  readonly isEmulator: boolean;
};

export type AccessSettings = EntraSettings & {
  readonly connectionString?: string | undefined;
  /** The namespace's domain name. */
  readonly namespace?: string | undefined;
  readonly caCert?: string | undefined;
  readonly transport?: "tcp" | "websockets" | undefined;
};

type AccessTools = {
  readonly driver: Opening<Fields>["driver"];
  readonly hide?: ((secret: string) => void) | undefined;
};

/** Reads how a component enters its namespace. Throws a `BindingError`. */
export async function accessOf(settings: AccessSettings, tools: AccessTools): Promise<Access> {
  const { connectionString, namespace, transport } = settings;
  const caCert = await authoritiesOf(settings.caCert);
  if (connectionString) {
    const read = readConnectionString(connectionString);
    const { host, port, entity, isEmulator } = read;
    if (read.key !== undefined) tools.hide?.(read.key.value);
    return {
      address: addressOf({ host, port, isEmulator, caCert, transport }),
      credentials: sharedAccess(read, tools.hide),
      entity,
      isEmulator,
    };
  }
  const { host, port } = namespaceOf(namespace ?? "");
  const entra = openEntra({ settings, driver: tools.driver, hide: tools.hide });
  return {
    address: addressOf({ host, port, isEmulator: false, caCert, transport }),
    credentials: entraAccess(entra, scope),
    entity: undefined,
    isEmulator: false,
  };
}

/** The host and port of a namespace that the metadata name. Throws a `BindingError`. */
export function namespaceOf(text: string): { host: string; port: number | undefined } {
  const read = /^([a-z0-9][a-z0-9.-]*)(?::(\d{1,5}))?$/i.exec(text);
  if (read === null) {
    throw new BindingError(
      "invalid_argument",
      "the namespace is not a domain name, such as shop.servicebus.windows.net",
    );
  }
  const [, host = "", port] = read;
  return { host, port: port === undefined ? undefined : Number(port) };
}

type Place = Pick<AccessSettings, "caCert" | "transport"> & {
  readonly host: string;
  readonly port: number | undefined;
  readonly isEmulator: boolean;
};

function addressOf({ host, port, isEmulator, caCert, transport }: Place): ServerAddress {
  const usual = transport === "websockets" ? webSocketPort : tlsPort;
  const number = port ?? (isEmulator ? plainPort : usual);
  return {
    ...{ host, port: number, hostname: host },
    tls: isEmulator ? undefined : tlsMaterial({ caCert }),
    proxy: isEmulator ? undefined : tlsProxyFor(host, number),
    ...(transport === "websockets" && { webSocketPath }),
    // Who it is, the tokens say.
    sasl: { mechanism: "ANONYMOUS", response: Buffer.from("cufflink") },
  };
}

export const messagingDrivers = { rhea: "3.0.5" } as const;

/** Loads the driver of AMQP 1.0. */
export function loadAmqp({ driver }: Pick<AccessTools, "driver">): Driver {
  return {
    rhea: driver("rhea") as Driver["rhea"],
    frames: driver("rhea", "lib/frames.js") as Driver["frames"],
  };
}
