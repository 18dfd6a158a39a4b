import { byteSize, string } from "../../metadata/fields.ts";

/** The metadata of an InfluxDB component, as Dapr names it, and a limit of ours. */
export const influxFields = {
  url: string({
    description: "The server's address.",
    required: true,
    example: "http://influxdb:8086",
  }),
  token: string({
    description: "The API token.",
    required: true,
    sensitive: true,
  }),
  org: string({
    description: "The organization's name or id.",
    required: true,
    example: "shop",
  }),
  bucket: string({
    description: "The name or id of the bucket that `create` writes to. A query names its own.",
    required: true,
    example: "temperatures",
  }),
  maxResponseBodySize: byteSize({
    description:
      "The maximum size of a query's answer. A larger one is an error. Dapr has no such field and no limit.",
    default: "100Mi",
    within: "answer",
  }),
} as const;

export const queryFields = {
  raw: string({
    description: "The Flux query. Required.",
    example: 'from(bucket: "temperatures") |> range(start: -1h)',
  }),
} as const;
