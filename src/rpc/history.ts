import { History } from "../../gen/cufflink/v1/history_pb.ts";
import { createService, type Service } from "../grpc/service.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import type { Operator } from "../runtime/operator.ts";
import { answering } from "./errors.ts";
import { fromHistory, fromUnfinished } from "./records.ts";

/** `cufflink.v1.History`: what became of events, and where those are that have not ended. */
export function historyService({
  history,
  unfinished,
}: Pick<Operator, "history" | "unfinished">): Service {
  return createService(History, {
    explainEvent: ({ eventId, component }) =>
      answering(async () => {
        if (eventId === "")
          throw new GrpcFailure(
            Code.invalidArgument,
            "event_id is empty; give the event's identity or its trace id",
          );
        // Asked first: an event that ends meanwhile is told twice, and not left out.
        const open = unfinished(eventId, component || undefined);
        const records = await history.find(eventId, component || undefined);
        return { records: records.map(fromHistory), unfinished: open.map(fromUnfinished) };
      }),
  });
}
