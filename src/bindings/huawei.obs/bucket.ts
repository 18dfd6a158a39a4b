import type { BindingError } from "../../errors.ts";
import type { Answered } from "../../http-client/exchange.ts";
import {
  refusalOf,
  refusedAnswer,
  type ObjectRequest,
  type ObjectService,
} from "../../http-client/object-service.ts";
import { serviceFailure } from "../../http-client/service-client.ts";
import { isSuccess } from "../../http-client/status.ts";
import type { Streamed } from "../../http-client/streamed.ts";

/** Asks the bucket; a refusal is a failure in Dapr's words. */
export async function ask(
  service: ObjectService,
  what: string,
  request: ObjectRequest,
  signal: AbortSignal,
): Promise<Answered> {
  const answered = await service.ask(request, signal);
  if (isSuccess(answered.status)) return answered;
  throw failure(what, request, answered);
}

/** The same of an object that is read as it comes. */
export async function read(
  service: ObjectService,
  what: string,
  key: string,
  signal: AbortSignal,
): Promise<Streamed> {
  const request = { method: "GET", key } as const;
  const answered = await service.stream(request, signal);
  if (isSuccess(answered.status)) return answered;
  throw failure(what, request, await refusedAnswer(answered));
}

/** As Dapr answers what was stored or deleted. */
export function created({ status, headers }: Pick<Answered, "status" | "headers">): Uint8Array {
  const version = [headers["x-obs-version-id"] ?? ""].flat()[0];
  return Buffer.from(JSON.stringify({ statusCode: status, versionId: version }));
}

function failure(what: string, request: ObjectRequest, answered: Answered): BindingError {
  const { status, phrase = "" } = answered;
  const { code, message, requestId } = refusalOf(answered);
  const systemCode = code || undefined;
  if (
    status === 404 &&
    request.method !== "PUT" &&
    request.key !== undefined &&
    code !== "NoSuchBucket"
  )
    return serviceFailure("object not found", answered, { systemCode });
  const said = `Status=${`${status} ${phrase}`.trim()}, Code=${code}, Message=${message}, RequestId=${requestId}`;
  return serviceFailure(
    `obs binding error. ${what}: obs: service returned error: ${said}`,
    answered,
    { systemCode },
  );
}
