import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ExternalScaler,
  type GetMetricSpecResponseSchema,
  type ScaledObjectRef,
} from "../../gen/externalscaler/externalscaler_pb.ts";
import { delay } from "../delay.ts";
import { BindingError, messageOf } from "../errors.ts";
import { createService, type Service } from "../grpc/service.ts";
import type { Scaler } from "../scaler/scaler.ts";
import { metricsOf, readTrigger, type Trigger } from "../scaler/trigger.ts";
import { answering } from "./errors.ts";

export type ExternalScalerOptions = {
  readonly scaler: Scaler;
  /** How often streams look whether there is work, in milliseconds. */
  readonly interval: number;
  /** Aborted when the server closes. */
  readonly closing: AbortSignal;
  /** Told why a stream cannot say at the moment whether there is work; once, until it can again. */
  readonly onUnknown: (object: string, reason: string) => void;
};

/** `externalscaler.ExternalScaler`, as KEDA asks it. */
export function externalScalerService(options: ExternalScalerOptions): Service {
  const { scaler, closing } = options;

  async function triggerOf(ref: ScaledObjectRef | undefined): Promise<Trigger> {
    const trigger = readTrigger(ref?.scalerMetadata ?? {});
    await scaler.check(trigger, ref?.namespace ?? "");
    return trigger;
  }

  return createService(ExternalScaler, {
    isActive: (ref) =>
      answering(async () => ({ result: await scaler.isActive(await triggerOf(ref)) })),
    streamIsActive: (ref, { signal }) =>
      watchActivity(options, ref, triggerOf, AbortSignal.any([signal, closing])),
    getMetricSpec: (ref) => answering(async () => specsOf(await triggerOf(ref))),
    getMetrics: ({ scaledObjectRef, metricName }) =>
      answering(async () => {
        const trigger = await triggerOf(scaledObjectRef);
        const wanted = metricName.toLowerCase();
        const metrics = metricsOf(trigger);
        const metric = metrics.find(({ name }) => name === wanted);
        if (metric === undefined) {
          const names = metrics.map(({ name }) => name).join(", ");
          const text = `the trigger has no metric ${JSON.stringify(metricName)}; it has ${names}`;
          throw new BindingError("invalid_argument", text, { effect: "unsent" });
        }
        const backlog = await scaler.backlog(metric.component);
        const metricValue = BigInt(Math.ceil(backlog));
        return { metricValues: [{ metricName, metricValue, metricValueFloat: backlog }] };
      }),
    streamMetricSpec: (ref, { signal }) =>
      holdSpecs(() => triggerOf(ref), AbortSignal.any([signal, closing])),
  });
}

function specsOf(trigger: Trigger): MessageInitShape<typeof GetMetricSpecResponseSchema> {
  const { perReplica } = trigger;
  const targetSize = BigInt(Math.max(1, Math.round(perReplica)));
  return {
    metricSpecs: metricsOf(trigger).map(({ name }) => ({
      ...{ metricName: name, targetSize, targetSizeFloat: perReplica },
    })),
  };
}

/** Targets stand in the trigger alone: KEDA asks anew when that has changed. */
async function* holdSpecs(
  trigger: () => Promise<Trigger>,
  signal: AbortSignal,
): AsyncGenerator<MessageInitShape<typeof GetMetricSpecResponseSchema>> {
  yield specsOf(await answering(trigger));
  await new Promise<void>((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** A source that does not answer changes nothing: whether there is work is told when that is known again. */
async function* watchActivity(
  { scaler, interval, onUnknown }: ExternalScalerOptions,
  ref: ScaledObjectRef,
  triggerOf: (ref: ScaledObjectRef) => Promise<Trigger>,
  signal: AbortSignal,
): AsyncGenerator<{ result: boolean }> {
  const object = `${ref.namespace}/${ref.name}`;
  let last: boolean | undefined;
  let isUnknown = false;
  while (!signal.aborted) {
    const trigger = await answering(() => triggerOf(ref));
    try {
      const result = await scaler.isActive(trigger);
      isUnknown = false;
      if (result !== last) yield { result };
      last = result;
    } catch (error) {
      if (!isUnknown) onUnknown(object, messageOf(error));
      isUnknown = true;
    }
    await delay(interval, signal);
  }
}
