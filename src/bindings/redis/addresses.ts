import { BindingError } from "../../errors.ts";

export type Address = { readonly host: string; readonly port: number };

/**
 * Reads `host`, `host:port`, `[::1]:port`, and lists of them. Each without a port has the given one,
 * else 6379; one with another than the given is refused.
 */
export function parseAddresses(hosts: string, port: number | undefined): Address[] {
  const texts = hosts.split(",").map((text) => text.trim());
  return texts.filter((text) => text !== "").map((text) => parseAddress(text, port || undefined));
}

function parseAddress(text: string, port: number | undefined): Address {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  const plain = /^([^:]+)(?::(\d+))?$/.exec(text);
  const [, host, written] = bracketed ?? plain ?? [undefined, text, undefined];
  if (host === undefined || Number(written ?? 1) > 65_535) {
    throw new BindingError("invalid_argument", `redisHost ${JSON.stringify(text)} is no host:port`);
  }
  if (written !== undefined && port !== undefined && Number(written) !== port) {
    throw new BindingError(
      "invalid_argument",
      `redis host ${JSON.stringify(text)} already contains port ${written}, but redisPort is set to ${port}; ` +
        "either remove the port from redisHost or remove the redisPort setting",
    );
  }
  return { host, port: written === undefined ? (port ?? 6379) : Number(written) };
}
