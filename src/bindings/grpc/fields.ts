import { bool, byPrefix, byteSize, duration, string } from "../../metadata/fields.ts";
import { pemOrFileFields } from "../../metadata/tls-fields.ts";

const service = {
  description: "The full name of the service, such as `shop.v1.Orders`.",
  example: "shop.v1.Orders",
} as const;

const method = {
  description:
    "The name of the method; as `shop.v1.Orders/Get` with that of its service, in place of `service`.",
  example: "Get",
} as const;

/** The metadata of a component that calls a gRPC server. Dapr has no such type. */
export const grpcFields = {
  address: string({
    description:
      "The server: `host:port`, `https://host:port` (TLS) or `unix:path`. Also `http://`, `grpc://` and `grpcs://` (TLS).",
    required: true,
    example: "orders.internal:50051",
  }),
  service: string(service),
  method: string(method),
  descriptorSet: string({
    description:
      "A file with the descriptors of the services, as `buf build -o` and `protoc --include_imports -o` write it. Without it, the server is asked by reflection.",
    example: "/etc/cufflink/orders.binpb",
  }),
  headers: byPrefix(
    "header:",
    string({
      description:
        "The value of the request's metadata NAME, sent with each call. Of a name that ends in `-bin`, in base64.",
      sensitive: true,
      example: "Bearer …",
    }),
  ),
  timeout: duration({
    description:
      "The maximum duration of a call. Without it, a call takes as long as its caller waits.",
    positive: true,
    example: "5s",
  }),
  tls: bool({
    description: "Uses TLS for an address of the form `host:port` or `unix:path`.",
    default: "false",
  }),
  ...pemOrFileFields,
  skipTLSVerify: bool({
    description: "Accepts any certificate of the server.",
    default: "false",
  }),
  maxResponseBodySize: byteSize({
    description:
      "The maximum size of an answer, and of each message of a streamed one. A larger one is an error.",
    default: "100Mi",
    within: "answer",
  }),
  ignoreUnknownFields: bool({
    description: "Ignores members of the request's JSON that the method's message does not have.",
    default: "false",
  }),
  useProtoFieldNames: bool({
    description: "Writes the fields' own names (`order_id`) in answers instead of `orderId`.",
    default: "false",
  }),
  emitDefaults: bool({
    description: "Writes fields that have their default value, too.",
    default: "false",
  }),
} as const;

export const callFields = {
  service: string({
    ...service,
    description: `${service.description} Default: the component's.`,
  }),
  method: string({ ...method, description: `${method.description} Default: the component's.` }),
  headers: byPrefix(
    "header:",
    string({
      description: "The value of the request's metadata NAME. Replaces the component's.",
      sensitive: true,
      example: "Bearer …",
    }),
  ),
} as const;
