import { createApp } from "../app/app.ts";
import type { CombinedApp } from "../app/combined-app.ts";
import { MemoryBudget } from "../memory/budget.ts";
import type { RuntimeLogger } from "../runtime/runtime-logger.ts";
import type { ServeOptions } from "./serve-options.ts";

/** The app as the flags say where it is. `port`: where it listens; `undefined`: it only dials in. */
export function serveApp(
  options: ServeOptions,
  port: number | undefined,
  memory: MemoryBudget,
  logger: RuntimeLogger,
): Promise<CombinedApp> {
  return createApp({
    protocol: options.appProtocol,
    port,
    host: options.appChannelAddress,
    token: process.env["APP_API_TOKEN"],
    optionsTimeout: options.appBindingOptionsTimeout,
    health: options.appHealth,
    answers: {
      maxBytes: options.appMaxAnswerSize,
      setting: "--app-max-answer-size",
      memory: memory.share("app").forAnswers,
    },
    logger,
  });
}

/** The memory of what others send; `bytes`: how much it is. */
export function serveMemory(bytes: number, logger: RuntimeLogger): MemoryBudget {
  return new MemoryBudget(bytes, {
    onRefused({ name, used, limit }, refusals) {
      const fields = { listener: name, refusals, held: `${used}B`, limit: `${limit}B` };
      logger.warn(
        fields,
        "requests or answers refused: too many bytes are held; see --memory-budget",
      );
    },
  });
}
