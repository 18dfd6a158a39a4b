import { WireType } from "@bufbuild/protobuf/wire";
import {
  bool,
  bytes,
  int32,
  int64,
  many,
  message,
  nested,
  one,
  text,
  type Kind,
  type ValuesOf,
} from "../../../src/grpc-service/messages.ts";

const fixed64: Kind<bigint> = {
  wire: WireType.Bit64,
  none: () => 0n,
  isNone: (value) => value === 0n,
  write: (writer, value) => void writer.fixed64(value),
  read: (reader) => BigInt(reader.fixed64()),
};
const fixed32: Kind<number> = {
  wire: WireType.Bit32,
  none: () => 0,
  isNone: (value) => value === 0,
  write: (writer, value) => void writer.fixed32(value),
  read: (reader) => reader.fixed32(),
};
const double: Kind<number | undefined> = {
  wire: WireType.Bit64,
  none: () => undefined,
  isNone: (value) => value === undefined,
  write: (writer, value) => void writer.double(value ?? 0),
  read: (reader) => reader.double(),
};
const optional = <Value>(kind: Kind<Value>): Kind<Value | undefined> => ({
  wire: kind.wire,
  none: () => undefined,
  isNone: (value) => value === undefined,
  write: (writer, value) => {
    if (value !== undefined) kind.write(writer, value);
  },
  read: (reader) => kind.read(reader),
});

// By the numbers of opentelemetry/proto/{common,resource,trace,metrics}/v1 of opentelemetry-proto 1.
const anyValue = message({
  ...{ stringValue: one(1, optional(text)), boolValue: one(2, optional(bool)) },
  ...{ intValue: one(3, optional(int64)), doubleValue: one(4, double) },
});
const keyValue = message({ key: one(1, text), value: one(2, nested(anyValue)) });
const attributes = many(1, nested(keyValue));
const resource = message({ attributes });
const scope = message({ name: one(1, text), version: one(2, text) });
const event = message({
  ...{ timeUnixNano: one(1, fixed64), name: one(2, text) },
  attributes: many(3, nested(keyValue)),
});
const link = message({
  ...{ traceId: one(1, bytes), spanId: one(2, bytes), traceState: one(3, text) },
});
const status = message({ message: one(2, text), code: one(3, int32) });
const span = message({
  ...{ traceId: one(1, bytes), spanId: one(2, bytes), traceState: one(3, text) },
  ...{ parentSpanId: one(4, bytes), name: one(5, text), kind: one(6, int32) },
  ...{ startTimeUnixNano: one(7, fixed64), endTimeUnixNano: one(8, fixed64) },
  attributes: many(9, nested(keyValue)),
  ...{ events: many(11, nested(event)), links: many(13, nested(link)) },
  ...{ status: one(15, nested(status)), flags: one(16, fixed32) },
});
const scopeSpans = message({
  ...{ scope: one(1, nested(scope)), spans: many(2, nested(span)), schemaUrl: one(3, text) },
});
const resourceSpans = message({
  ...{ resource: one(1, nested(resource)), scopeSpans: many(2, nested(scopeSpans)) },
  schemaUrl: one(3, text),
});
export const traceRequest = message({ resourceSpans: many(1, nested(resourceSpans)) });
export const traceResponse = message({
  partialSuccess: one(
    1,
    nested(message({ rejectedSpans: one(1, int64), errorMessage: one(2, text) })),
  ),
});

const numberPoint = message({
  ...{ startTimeUnixNano: one(2, fixed64), timeUnixNano: one(3, fixed64) },
  ...{ asDouble: one(4, double), asInt: one(6, optional(fixed64)) },
  attributes: many(7, nested(keyValue)),
});
const histogramPoint = message({
  ...{ startTimeUnixNano: one(2, fixed64), timeUnixNano: one(3, fixed64) },
  ...{ count: one(4, fixed64), sum: one(5, double), bucketCounts: many(6, fixed64) },
  ...{ explicitBounds: many(7, double), attributes: many(9, nested(keyValue)) },
});
const gauge = message({ dataPoints: many(1, nested(numberPoint)) });
const sum = message({
  ...{ dataPoints: many(1, nested(numberPoint)), aggregationTemporality: one(2, int32) },
  isMonotonic: one(3, bool),
});
const histogram = message({
  ...{ dataPoints: many(1, nested(histogramPoint)), aggregationTemporality: one(2, int32) },
});
const metric = message({
  ...{ name: one(1, text), description: one(2, text), unit: one(3, text) },
  ...{ gauge: one(5, nested(gauge)), sum: one(7, nested(sum)) },
  histogram: one(9, nested(histogram)),
});
const scopeMetrics = message({
  ...{ scope: one(1, nested(scope)), metrics: many(2, nested(metric)), schemaUrl: one(3, text) },
});
export const metricsRequest = message({
  resourceMetrics: many(
    1,
    nested(
      message({
        ...{ resource: one(1, nested(resource)), scopeMetrics: many(2, nested(scopeMetrics)) },
      }),
    ),
  ),
});

export type KeyValue = ValuesOf<typeof keyValue>;
