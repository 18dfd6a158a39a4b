import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type {
  ComponentSampleSchema,
  WatchComponentsRequest,
  WatchComponentsResponseSchema,
} from "../../gen/cufflink/v1/operations_pb.ts";
import { clock } from "../clock.ts";
import { delay } from "../delay.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import type { ComponentChanges, ComponentFeed } from "../runtime/watch/component-feed.ts";
import type { Sample } from "../runtime/watch/sampler.ts";
import { describeComponent } from "./component-message.ts";
import { durationOf, timestampOf } from "./records.ts";

const usualInterval = 1_000;
const shortestInterval = 250;
const longestInterval = 60_000;

/**
 * `Operations.WatchComponents`. All who watch with the same interval are told at the same moments, so that what has changed is
 * found once for them. Who reads slowly is told less often, and then of the newest state.
 */
export async function* watchComponents(
  feed: ComponentFeed,
  { interval, withSamples }: Pick<WatchComponentsRequest, "interval" | "withSamples">,
  signal: AbortSignal,
): AsyncGenerator<MessageInitShape<typeof WatchComponentsResponseSchema>> {
  const milliseconds = interval === undefined ? usualInterval : durationMs(interval);
  if (milliseconds < shortestInterval || milliseconds > longestInterval)
    throw new GrpcFailure(Code.invalidArgument, "interval is not between 250 ms and 1 minute");
  using watch = feed.watch({ samples: withSamples });
  for (let changes = await watch.begin(); !signal.aborted; changes = watch.next()) {
    if (changes !== undefined) yield describeChanges(changes);
    await delay(milliseconds - (clock.now() % milliseconds), signal);
  }
}

function describeChanges(
  changes: ComponentChanges,
): MessageInitShape<typeof WatchComponentsResponseSchema> {
  const { at, complete, components, removed, deadLetters, samples } = changes;
  return {
    ...{ complete, removed: [...removed], at: timestampOf(at) },
    components: components.map(describeComponent),
    samples: [...samples].map(([component, all]) => ({
      component,
      samples: all.map(describeSample),
    })),
    deadLetters: [...deadLetters].map(([component, count]) => ({
      component,
      count: BigInt(count),
    })),
    ...{ storeTrouble: changes.storeTrouble, revision: BigInt(changes.revision) },
  };
}

function describeSample(sample: Sample): MessageInitShape<typeof ComponentSampleSchema> {
  const { at, attempts, handled, invocations, failures, inFlight, backlog } = sample;
  const { attemptTime, invocationTime } = sample;
  return {
    ...{ at: timestampOf(at), attempts, handled, invocations, failures, inFlight },
    ...(attemptTime !== undefined && { attemptTime: durationOf(attemptTime) }),
    ...(invocationTime !== undefined && { invocationTime: durationOf(invocationTime) }),
    ...(backlog !== undefined && { backlog: BigInt(backlog) }),
  };
}
