import { randomUUID } from "node:crypto";
import { defineBinding } from "../../../binding.ts";
import { BindingError } from "../../../errors.ts";
import { string } from "../../../metadata/fields.ts";
import { caCertField } from "../../../metadata/tls-fields.ts";
import { examineBucket } from "../../../http-client/examine-bucket.ts";
import type { Answered } from "../../../http-client/exchange.ts";
import { ObjectService, refusalOf, refusedAnswer } from "../../../http-client/object-service.ts";
import { serviceFailure } from "../../../http-client/service-client.ts";
import { isSuccess } from "../../../http-client/status.ts";
import { parseXml, textAt } from "../../../text/xml.ts";

const vendor = { scheme: "OSS", prefix: "x-oss-", hasFolders: false } as const;
const nothing = new Uint8Array();
const newKey = string({
  description:
    "The object's key, 1,023 bytes of UTF-8 at most. Without one a random UUID is its key.",
  example: "2026/order-42.json",
});
const key = string({ description: "The object's key.", example: "2026/order-42.json" });

/** Stores and reads objects of a bucket of Alibaba Cloud's OSS. */
export default defineBinding({
  name: "alicloud.oss",
  status: "beta",
  summary: "Stores and reads objects in a bucket of Alibaba Cloud OSS.",
  provedBy: [{ system: "Alibaba Cloud OSS", kind: "stand-in" }],

  metadata: {
    endpoint: string({
      description:
        "The region's endpoint. Without a scheme it is asked over plain HTTP, as Alibaba's SDK does.",
      required: true,
      example: "https://oss-cn-hangzhou.aliyuncs.com",
    }),
    accessKeyID: string({
      description: "The id of the access key.",
      required: true,
      example: "LTAI5tExample",
    }),
    accessKey: string({
      description: "The secret of the access key.",
      // Dapr's list of fields has this name, its code the other.
      aliases: ["accessKeySecret"],
      required: true,
      sensitive: true,
    }),
    bucket: string({ description: "The bucket.", required: true, example: "shop-orders" }),
    ...caCertField,
  },

  async open({ metadata, memory, hide }) {
    const { endpoint, accessKeyID, accessKey, bucket } = metadata;
    const service = await ObjectService.open({
      ...{ vendor, bucket, memory, hide, caCert: metadata.caCert },
      endpoint: /^https?:\/\//i.test(endpoint) ? endpoint : `http://${endpoint}`,
      accessKeyId: accessKeyID,
      secret: accessKey,
    });
    return { service, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
  },

  examine: ({ service }, questions) => examineBucket(service, questions.metadata.bucket, questions),

  operations: {
    create: {
      description: "Stores the data as an object, which takes the place of one with the same key.",
      request: { key: newKey },
      idempotent: ({ key }) => Boolean(key),
      async invoke({ service }, { data = nothing, request, signal }) {
        await put(service, request.key, data, signal);
      },
      async invokeStream({ service }, { body, request, signal }) {
        await put(service, request.key, body, signal);
      },
    },
    get: {
      description: "Returns an object. Dapr has no such operation.",
      request: { key },
      idempotent: true,
      async invoke({ service }, { request, signal }) {
        const wanted = { method: "GET", key: demand(request.key) } as const;
        const answered = await service.ask(wanted, signal);
        if (isSuccess(answered.status)) return { data: answered.body };
        throw failure(answered);
      },
      async invokeStream({ service }, { request, signal }) {
        const wanted = { method: "GET", key: demand(request.key) } as const;
        const answered = await service.stream(wanted, signal);
        if (isSuccess(answered.status)) return { body: answered.body };
        throw failure(await refusedAnswer(answered));
      },
    },
  },
});

function demand(key: string | undefined): string {
  if (key) return key;
  throw new BindingError("invalid_argument", "key is required: name the object to read");
}

async function put(
  service: ObjectService,
  key: string | undefined,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const answered = await service.ask({ method: "PUT", key: key || randomUUID(), body }, signal);
  if (!isSuccess(answered.status)) throw failure(answered);
}

/** A refusal in the words of Alibaba's SDK. */
function failure(answered: Answered): BindingError {
  const { status } = answered;
  const { code, message, requestId } = refusalOf(answered);
  const said = `StatusCode=${status}, ErrorCode=${code}, ErrorMessage="${message}", RequestId=${requestId}`;
  return serviceFailure(`oss: service returned error: ${said}${grantOf(answered)}`, answered, {
    systemCode: code || undefined,
  });
}

/** What to do about a denied request, for the end of its message, where the service names the action and why it is denied. */
function grantOf({ body }: Pick<Answered, "body">): string {
  const root = parseXml(body.toString("utf8"));
  const told = (name: string): string => textAt(root, "AccessDeniedDetail", name)?.trim() ?? "";
  const action = told("AuthAction");
  if (!/^oss:\w{1,100}$/.test(action)) return "";
  const why = told("NoPermissionType");
  if (why === "ImplicitDeny") return `; allow ${action} in a policy of the RAM user or role`;
  return why === "ExplicitDeny"
    ? `; a policy denies ${action}: remove or narrow that statement`
    : "";
}
