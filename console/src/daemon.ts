import {
  type Client,
  Code,
  ConnectError,
  createClient,
  type Interceptor,
} from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { Dapr } from "../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { DeadLetters } from "../../gen/cufflink/v1/dead_letters_pb.ts";
import { History } from "../../gen/cufflink/v1/history_pb.ts";
import { Operations } from "../../gen/cufflink/v1/operations_pb.ts";
import { LiveDaemon } from "./live.ts";

/** One runtime that this console looks after. */
export type Daemon = {
  /** Its place in the console's list, which is all that the page says of its address. */
  readonly index: number;
  readonly name: string;
  readonly operations: Client<typeof Operations>;
  readonly history: Client<typeof History>;
  readonly deadLetters: Client<typeof DeadLetters>;
  readonly dapr: Client<typeof Dapr>;
  readonly live: LiveDaemon;
};

/** Clients of a daemon. `authorize` is asked for the header of each call; `onRefused` hears of a token that is not taken. */
export function createDaemon(
  index: number,
  name: string,
  authorize: () => string,
  onRefused: () => void,
): Daemon {
  const heed = (error: unknown): void => {
    if (ConnectError.from(error).code === Code.Unauthenticated) onRefused();
  };
  const withToken: Interceptor = (next) => async (request) => {
    request.header.set("authorization", authorize());
    try {
      const response = await next(request);
      // A stream is refused where its first message would be.
      return response.stream ? { ...response, message: heeded(response.message, heed) } : response;
    } catch (error) {
      heed(error);
      throw error;
    }
  };
  const transport = createConnectTransport({
    baseUrl: `/rpc/${index}`,
    useBinaryFormat: true,
    interceptors: [withToken],
  });
  const operations = createClient(Operations, transport);
  return {
    index,
    name,
    operations,
    history: createClient(History, transport),
    deadLetters: createClient(DeadLetters, transport),
    dapr: createClient(Dapr, transport),
    live: new LiveDaemon(operations),
  };
}

async function* heeded<Message>(
  messages: AsyncIterable<Message>,
  onError: (error: unknown) => void,
): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (error) {
    onError(error);
    throw error;
  }
}

/** What failed, in a sentence that a person can use. */
export function problemOf(error: unknown): string {
  const { code, rawMessage } = ConnectError.from(error);
  if (code === Code.Unimplemented) return `This daemon cannot do that yet: ${rawMessage}`;
  if (code === Code.PermissionDenied) return `Not allowed: ${rawMessage}`;
  if (rawMessage === "Failed to fetch" || rawMessage === "network error")
    return "The console's server does not answer.";
  return rawMessage === "" ? `The call failed: ${Code[code]}.` : rawMessage;
}

/** Whether a call failed because it was given up on purpose. */
export function isAborted(error: unknown): boolean {
  return ConnectError.from(error).code === Code.Canceled;
}

/** Whether a daemon does not know a call. */
export function isUnimplemented(error: unknown): boolean {
  return ConnectError.from(error).code === Code.Unimplemented;
}
