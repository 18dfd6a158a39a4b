import { setTimeout as pause } from "node:timers/promises";
import { InjectorServer, type InjectorServerOptions } from "./server.ts";
import { Trust, type WebhookConfiguration } from "./trust.ts";

export type InjectorOptions = Omit<InjectorServerOptions, "isReady"> & {
  readonly configuration: WebhookConfiguration;
  /** Told when the API server knows the certificate, at first and after a problem. */
  readonly onTrusted: () => void;
  /** The names by which API servers reach it: DNS names and IPv4 addresses. */
  readonly hosts: readonly string[];
  readonly port: number;
  readonly listenAddress: string;
  /** Between two looks at the configuration, in milliseconds. */
  readonly interval: number;
  /** How long it goes on once it is no longer ready, in milliseconds: until nobody sends anything more. */
  readonly farewell: number;
  /** Of a certificate, in milliseconds. */
  readonly validity: number;
};

export type Injector = {
  readonly port: number;
  readonly isReady: () => boolean;
  /** Ends in order: not ready, goes on for the farewell, takes its certificate out. */
  readonly close: () => Promise<void>;
};

/** Starts the webhook. Without the API server it serves, is not ready, and asks again. */
export async function startInjector(options: InjectorOptions): Promise<Injector> {
  const { configuration, hosts, interval, farewell, validity, onProblem, onTrusted } = options;
  const isReady = (): boolean => trust.isTrusted;
  const server = new InjectorServer({ ...options, isReady });
  let listening: Promise<number> | undefined;
  const trust = new Trust({
    ...{ configuration, hosts, validity, onProblem, onTrusted },
    now: Date.now,
    show: (certificate) => {
      if (listening !== undefined) server.show(certificate);
      listening ??= server.listen(certificate, options.port, options.listenAddress);
    },
  });
  await trust.start();
  const port = await listening;
  if (port === undefined) throw new Error("the injector has no certificate");
  const ending = new AbortController();
  const looking = look();
  return { port, isReady, close };

  async function look(): Promise<void> {
    while (!ending.signal.aborted) {
      await trust.look();
      await pause(interval, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  }

  async function close(): Promise<void> {
    server.retire();
    await pause(farewell);
    ending.abort();
    await server.close();
    await trust.close();
    await looking;
  }
}
