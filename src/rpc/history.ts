import { History } from "../../gen/cufflink/v1/history_pb.ts";
import { createService, type Service } from "../grpc/service.ts";
import { Code, GrpcFailure } from "../grpc/status.ts";
import type { Operator } from "../runtime/operator.ts";
import { answering } from "./errors.ts";
import { fromHistory } from "./records.ts";

/** `cufflink.v1.History`: what became of events. */
export function historyService({ history }: Pick<Operator, "history">): Service {
  return createService(History, {
    explainEvent: ({ eventId, component }) =>
      answering(async () => {
        if (eventId === "") throw new GrpcFailure(Code.invalidArgument, "event_id is empty");
        const records = await history.find(eventId, component || undefined);
        return { records: records.map(fromHistory) };
      }),
  });
}
