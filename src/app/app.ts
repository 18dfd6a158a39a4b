import type { AnswerLimits } from "../grpc/answer-room.ts";
import type { Logger } from "../binding.ts";
import type { App } from "../runtime/app.ts";
import { SampledLogger } from "../runtime/sampled-logger.ts";
import type { AppProtocol } from "./app-protocol.ts";
import { EventStreams } from "./event-streams.ts";
import type { AppHealthOptions } from "./health.ts";
import { CombinedApp } from "./combined-app.ts";

export type AppOptions = {
  /** `--app-protocol`. */
  readonly protocol: AppProtocol;
  /** `--app-port`. Absent: only what dials in gets events. */
  readonly port: number | undefined;
  /** `--app-channel-address`. Default `127.0.0.1`. */
  readonly host?: string | undefined;
  /** `APP_API_TOKEN`: sent as `dapr-api-token`. */
  readonly token?: string | undefined;
  /** `--app-binding-options-timeout`, in milliseconds: for one question what the app wants. Default 3,000. */
  readonly optionsTimeout?: number | undefined;
  /** Present: the app gets events only while its health checks succeed (`--enable-app-health-check`). */
  readonly health?: AppHealthOptions | undefined;
  /** What is taken of an answer of the app (`--app-max-answer-size`). Default 4 MiB. */
  readonly answers?: AnswerLimits | undefined;
  readonly logger: Logger;
};

/**
 * The app: what listens on its port, and what dials in. The port is connected to at once and for ever,
 * whether the app is there yet or not; nothing here throws because it is not.
 */
export async function createApp(options: AppOptions): Promise<CombinedApp> {
  const logger = new SampledLogger(options.logger);
  const streams = new EventStreams(logger);
  return new CombinedApp(streams, await createPortApp({ ...options, logger }, streams), logger);
}

async function createPortApp(options: AppOptions, streams: EventStreams): Promise<App | undefined> {
  const { protocol, port, token, health, logger } = options;
  const answers = options.answers ?? { maxBytes: 4 * 1024 * 1024 };
  if (port === undefined) return undefined;
  const host = options.host ?? "127.0.0.1";
  const optionsTimeout = options.optionsTimeout ?? 3000;
  const settings = { host, port, protocol, token, optionsTimeout, health, answers, logger };
  // What reaches an app is loaded only where there is one.
  if (protocol === "grpc" || protocol === "grpcs") {
    const { createGrpcApp } = await import("./grpc.ts");
    return createGrpcApp({ ...settings, protocol, streams });
  }
  const { createHttpApp } = await import("./http.ts");
  return createHttpApp({ ...settings, protocol });
}
