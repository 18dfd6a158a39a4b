import { DeadLetters } from "../../gen/cufflink/v1/dead_letters_pb.ts";
import { History } from "../../gen/cufflink/v1/history_pb.ts";
import { createService, type Service } from "../grpc/service.ts";
import { ComponentFeed } from "../runtime/watch/component-feed.ts";
import { Sampler } from "../runtime/watch/sampler.ts";
import { bindingsService } from "./bindings.ts";
import { deadLettersService } from "./dead-letters.ts";
import { historyService } from "./history.ts";
import { operationsService } from "./operations.ts";
import { reflectionServices } from "./reflection.ts";
import type { ServicesOptions } from "./main-services.ts";

/** The services of `otherServiceNames`, in a file of its own because it is loaded at the first call of one. */
export function otherServices(options: ServicesOptions, main: readonly Service[]): Service[] {
  const { runtime, description, operations, closing, store } = options;
  const components = (): ReturnType<typeof runtime.components> => runtime.components();
  const sampler = operations?.sampler ?? new Sampler(components);
  closing.addEventListener("abort", () => sampler.stop(), { once: true });
  const feed = new ComponentFeed({
    ...{ components, store, sampler },
    revision: () => runtime.reloads.at(-1)?.revision ?? 0,
    totals: operations && (() => operations.deadLetters.totals()),
  });
  const services = [
    bindingsService(options),
    operationsService({ runtime, description, store, feed, closing, changes: operations }),
  ];
  if (operations === undefined) {
    services.push(createService(DeadLetters, {}), createService(History, {}));
  } else {
    services.push(deadLettersService(operations.deadLetters, closing));
    const { operator, deadLetters } = operations;
    services.push(
      historyService({
        history: operator.history,
        unfinished: (...event) => operator.unfinished(...event),
        async deadLetter(id) {
          const { component, event, traceId } = await deadLetters.get(id);
          return { component, eventId: event.id ?? "", traceId };
        },
        closing,
      }),
    );
  }
  const descs = [...main, ...services].map(({ desc }) => desc);
  return [...services, ...reflectionServices(descs)];
}
