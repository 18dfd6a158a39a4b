import { fromBinary, toJson } from "@bufbuild/protobuf";
import type { Registry } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { AnySchema, DurationSchema } from "@bufbuild/protobuf/wkt";
import type { Any } from "@bufbuild/protobuf/wkt";
import { BindingError } from "../../errors.ts";
import { CallFailure } from "../../grpc/client.ts";
import { meaningOf } from "../../grpc-meanings.ts";
import { Code } from "../../grpc/status.ts";
import { answerMetadata } from "./headers.ts";

/** The most characters of a server's message that are told. */
const longestMessage = 4096;
/** The most characters of the details' JSON. */
const longestDetails = 16 * 1024;

/**
 * What a call failed of. `begun`: messages had come before, so that a part was done. `what`: the call, in its text.
 */
export function failureOf(
  thrown: unknown,
  what: string,
  registry: Registry,
  begun = false,
): BindingError {
  if (!(thrown instanceof CallFailure)) return BindingError.from(thrown);
  const { kind, code, status, message, headers, trailers, details } = thrown;
  const { reason, effect } = meaningOf(code);
  const text = message.slice(0, longestMessage).toWellFormed();
  const shown = `grpc: ${what}: ${kind === "failed" ? `${status}: ` : ""}${text || "the server says no more"}`;
  if (kind !== "failed")
    return new BindingError(reason, shown, {
      effect: kind === "unsent" && !begun ? "unsent" : "ambiguous",
      systemCode: status,
    });
  const metadata = answerMetadata(headers, trailers);
  const parsed = detailsOf(details);
  const json = parsed.length === 0 ? undefined : detailsJson(parsed, registry);
  if (json !== undefined) metadata["status-details"] = json;
  const retryAfter = retryAfterOf(parsed, trailers["grpc-retry-pushback-ms"]);
  // A server that is asked too much, and says when it can be asked again, has done nothing.
  const isThrottled = code === Code.resourceExhausted && retryAfter !== undefined;
  return new BindingError(reason, shown, {
    effect: begun ? "ambiguous" : isThrottled ? "unsent" : effect,
    systemCode: status,
    metadata,
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}

/** The details of an encoded `google.rpc.Status`; what cannot be read is left out. */
function detailsOf(status: Uint8Array | undefined): Any[] {
  const details: Any[] = [];
  if (status === undefined) return details;
  try {
    const reader = new BinaryReader(status);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 3 && type === WireType.LengthDelimited)
        details.push(fromBinary(AnySchema, reader.bytes()));
      else reader.skip(type, field);
    }
  } catch {
    // The status's own code and text have come all the same.
  }
  return details;
}

/** As an array of JSON; one whose type is not known has its bytes in base64. `undefined`: too long. */
function detailsJson(details: readonly Any[], registry: Registry): string | undefined {
  const text = JSON.stringify(
    details.map((detail) => {
      try {
        return toJson(AnySchema, detail, { registry });
      } catch {
        return { "@type": detail.typeUrl, value: Buffer.from(detail.value).toString("base64") };
      }
    }),
  );
  return text.length > longestDetails ? undefined : text;
}

/** Milliseconds that the server asks to wait, by `google.rpc.RetryInfo` or gRPC's own trailer. */
function retryAfterOf(
  details: readonly Any[],
  pushback: string | string[] | undefined,
): number | undefined {
  if (typeof pushback === "string" && /^\d{1,9}$/.test(pushback)) return Number(pushback);
  const info = details.find(({ typeUrl }) => typeUrl.endsWith("/google.rpc.RetryInfo"));
  if (info === undefined) return undefined;
  try {
    const reader = new BinaryReader(info.value);
    const [field, type] = reader.tag();
    if (field !== 1 || type !== WireType.LengthDelimited) return undefined;
    const { seconds, nanos } = fromBinary(DurationSchema, reader.bytes());
    const after = Number(seconds) * 1000 + nanos / 1e6;
    return after >= 0 && Number.isSafeInteger(Math.ceil(after)) ? Math.ceil(after) : undefined;
  } catch {
    return undefined;
  }
}
