/** Of the options of `serve`, those that say who listens where. */
export type ListeningOptions = {
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly listenAddresses: readonly string[];
  readonly unixDomainSocket: string | undefined;
  readonly publicPort: number | undefined;
  readonly publicListenAddress: string;
  readonly metrics: boolean;
  readonly metricsPort: number;
  readonly metricsListenAddress: string;
  readonly console: { readonly port: number; readonly host: string } | undefined;
  readonly appPort: number | undefined;
  readonly appChannelAddress: string;
};

type Port = { readonly flag: string; readonly port: number; readonly hosts: readonly string[] };

/** A sentence for each two flags that ask for one port of one host: only one of them can have it. */
export function portConflicts(options: ListeningOptions): string[] {
  const ports = portsOf(options).filter(({ port }) => port !== 0);
  return ports.flatMap((one, index) =>
    ports
      .slice(index + 1)
      .filter((other) => other.port === one.port && meet(one.hosts, other.hosts))
      .map(
        (other) =>
          `${one.flag} and ${other.flag} are both ${one.port}; choose another port for one of them`,
      ),
  );
}

function portsOf(options: ListeningOptions): Port[] {
  const { listenAddresses, publicPort = 0, appPort = 0 } = options;
  const onPorts = options.unixDomainSocket === undefined;
  const port = (flag: string, number: number, hosts: readonly string[]): Port => ({
    flag,
    port: number,
    hosts,
  });
  return [
    ...(onPorts ? [port("--dapr-http-port", options.httpPort, listenAddresses)] : []),
    ...(onPorts ? [port("--dapr-grpc-port", options.grpcPort, listenAddresses)] : []),
    port("--dapr-public-port", publicPort, [options.publicListenAddress]),
    ...(options.metrics
      ? [port("--metrics-port", options.metricsPort, [options.metricsListenAddress])]
      : []),
    ...(options.console
      ? [port("--console-port", options.console.port, [options.console.host])]
      : []),
    port("--app-port", appPort, [options.appChannelAddress]),
  ];
}

function meet(some: readonly string[], others: readonly string[]): boolean {
  return some.some((one) =>
    others.some((other) => one === other || everywhere.has(one) || everywhere.has(other)),
  );
}

const everywhere: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);
