import { isIP, BlockList } from "node:net";

/** The environment's proxies, read once. */
export type ProxyRules = {
  readonly http: string | undefined;
  readonly https: string | undefined;
  /** Whether a host, perhaps with a port, is reached without a proxy. */
  readonly bypasses: (hostname: string, port: number) => boolean;
};

/** Reads `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in capital letters or small, as Go does. */
export function readProxyRules(environment: NodeJS.ProcessEnv): ProxyRules {
  const read = (name: string): string | undefined =>
    environment[name] || environment[name.toLowerCase()] || undefined;
  return {
    http: withScheme(read("HTTP_PROXY")),
    https: withScheme(read("HTTPS_PROXY")),
    bypasses: bypassRule(read("NO_PROXY") ?? ""),
  };
}

/** The proxy to reach an origin by; `undefined`: none. */
export function proxyFor(origin: string, rules: ProxyRules): string | undefined {
  const { protocol, hostname, port } = new URL(origin);
  const proxy = protocol === "https:" ? rules.https : rules.http;
  if (proxy === undefined) return undefined;
  const number = Number(port) || (protocol === "https:" ? 443 : 80);
  return rules.bypasses(hostname.replaceAll(/[[\]]/g, ""), number) ? undefined : proxy;
}

/** The proxy that leads to a host and port where TLS is spoken, by the environment's variables; `undefined`: none. */
export function tlsProxyFor(
  host: string,
  port: number,
  environment: NodeJS.ProcessEnv = process.env,
): string | undefined {
  const rules = readProxyRules(environment);
  return rules.bypasses(host, port) ? undefined : rules.https;
}

function withScheme(proxy: string | undefined): string | undefined {
  return proxy === undefined || /^[a-z0-9]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

function bypassRule(text: string): (hostname: string, port: number) => boolean {
  const networks = new BlockList();
  networks.addSubnet("127.0.0.0", 8);
  networks.addAddress("::1", "ipv6");
  const names: { name: string; port: number | undefined; exact: boolean }[] = [];
  let all = false;
  for (const entry of text
    .toLowerCase()
    .split(",")
    .map((part) => part.trim())) {
    if (entry === "") continue;
    if (entry === "*") all = true;
    const [network = "", bits] = entry.split("/");
    if (bits !== undefined && isIP(network) !== 0 && /^\d{1,3}$/.test(bits)) {
      const family = isIP(network) === 6 ? "ipv6" : "ipv4";
      if (Number(bits) <= (family === "ipv6" ? 128 : 32))
        networks.addSubnet(network, Number(bits), family);
      continue;
    }
    const [, host = "", port] =
      /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry) ?? [];
    names.push({
      name: host.replace(/^\*?\./, ""),
      port: port === undefined ? undefined : Number(port),
      exact: isIP(host) !== 0,
    });
  }
  return (hostname, port) => {
    if (all || hostname === "localhost") return true;
    const family = isIP(hostname);
    if (family !== 0 && networks.check(hostname, family === 6 ? "ipv6" : "ipv4")) return true;
    return names.some(
      (one) =>
        (one.port === undefined || one.port === port) &&
        (hostname === one.name || (!one.exact && hostname.endsWith(`.${one.name}`))),
    );
  };
}
