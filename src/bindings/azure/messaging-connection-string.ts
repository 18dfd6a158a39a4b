import { BindingError } from "../../errors.ts";

/** What a connection string of Service Bus or Event Hubs says. */
export type ConnectionString = {
  readonly host: string;
  /** `undefined`: the protocol's own. */
  readonly port: number | undefined;
  /** The queue or hub that it is for. */
  readonly entity: string | undefined;
  readonly key: { readonly name: string; readonly value: string } | undefined;
  /** A shared access signature that was made before. */
  readonly signature: string | undefined;
  /** It names the vendor's emulator, which has no TLS. */
  readonly isEmulator: boolean;
};

/** Reads one, whose names may be in any case. Throws a `BindingError` that quotes nothing of it. */
export function readConnectionString(text: string): ConnectionString {
  const values = new Map<string, string>();
  for (const part of text.split(";")) {
    if (part.trim() === "") continue;
    const at = part.indexOf("=");
    if (at <= 0) throw wrong("a part has no =");
    values.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim());
  }
  const endpoint = /^[a-z]+:\/\/(\[[0-9a-f:]+\]|[^/:]+)(?::(\d{1,5}))?\/?$/i.exec(
    values.get("endpoint") ?? "",
  );
  if (endpoint === null)
    throw wrong("it has no Endpoint such as sb://shop.servicebus.windows.net/");
  const name = values.get("sharedaccesskeyname");
  const value = values.get("sharedaccesskey");
  const signature = values.get("sharedaccesssignature");
  if (!signature && (!name || !value))
    throw wrong("it needs SharedAccessKeyName and SharedAccessKey, or SharedAccessSignature");
  const [, host = "", port] = endpoint;
  return {
    host: host.replace(/^\[|\]$/g, ""),
    port: port === undefined ? undefined : Number(port),
    entity: values.get("entitypath") || undefined,
    key: signature || !name || !value ? undefined : { name, value },
    signature: signature || undefined,
    isEmulator: values.get("usedevelopmentemulator")?.toLowerCase() === "true",
  };
}

function wrong(why: string): BindingError {
  return new BindingError("invalid_argument", `the metadata connectionString is not valid: ${why}`);
}
