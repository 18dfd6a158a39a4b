import { byteSize, string } from "../../metadata/fields.ts";

/** The metadata of an InfluxDB component, as Dapr names it, and a limit of ours. */
export const influxFields = {
  url: string({
    description: "Where the server is.",
    required: true,
    example: "http://influxdb:8086",
  }),
  token: string({
    description: "The token of InfluxDB's API that calls are made with.",
    required: true,
    sensitive: true,
  }),
  org: string({
    description: "The organisation, by name or id.",
    required: true,
    example: "shop",
  }),
  bucket: string({
    description: "The bucket that `create` writes to, by name or id. A query names its own.",
    required: true,
    example: "temperatures",
  }),
  maxResponseBodySize: byteSize({
    description:
      "The largest answer to a query that is taken; one that is larger is an error. Dapr has no such field, and no limit.",
    default: "100Mi",
    within: "answer",
  }),
} as const;

export const queryFields = {
  raw: string({
    description: "The query, in Flux. No call goes without it.",
    example: 'from(bucket: "temperatures") |> range(start: -1h)',
  }),
} as const;
