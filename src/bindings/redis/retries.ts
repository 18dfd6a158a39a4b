import type { RedisMetadata } from "./fields.ts";

type Intervals = Pick<
  RedisMetadata,
  "redisMaxRetries" | "redisMinRetryInterval" | "redisMaxRetryInterval"
>;

/** What Dapr's retry fields ask for. */
export function outboundRetry({
  redisMaxRetries,
  redisMinRetryInterval,
  redisMaxRetryInterval,
}: Intervals): {
  attempts: number;
  initial: number;
  max: number;
  multiplier: number;
  jitter: number;
} {
  // 0 means the default, as in Dapr.
  const retries = redisMaxRetries === 0 ? 3 : Math.max(0, redisMaxRetries);
  return {
    attempts: retries + 1,
    initial: Math.max(0, redisMinRetryInterval),
    max: Math.max(0, redisMaxRetryInterval),
    multiplier: 2,
    jitter: 0.5,
  };
}
