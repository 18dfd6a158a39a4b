import { BindingError } from "../../errors.ts";

export type HostAddress = { readonly host: string; readonly port: number };

/** Reads `host:port`, `[::1]:22` or a host alone. Throws a `BindingError`. */
export function hostAddress(address: string): HostAddress {
  const match =
    /^(?:\[([0-9A-Fa-f:.]+(?:%[\w.]+)?)\]|([^\s:[\]/@]+))(?::(\d{1,5}))?$/.exec(address) ??
    // An IPv6 address without brackets can have no port.
    /^([0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? 22);
  if (host === undefined || port === 0 || port > 65_535 || host.includes("\0")) {
    throw new BindingError(
      "invalid_argument",
      `sftp binding error: metadata address is not host:port, such as files.example.com:22`,
    );
  }
  return { host, port };
}
