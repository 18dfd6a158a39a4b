import { randomUUID } from "node:crypto";
import { defineBinding } from "../../binding.ts";
import { BindingError } from "../../errors.ts";
import { examineBucket } from "../../http-client/examine-bucket.ts";
import { ObjectService } from "../../http-client/object-service.ts";
import { jsonMembers } from "../../http-client/service-client.ts";
import { LocalRoot } from "../../local-files/local-root.ts";
import { string } from "../../metadata/fields.ts";
import { caCertField } from "../../metadata/tls-fields.ts";
import { goUnquote } from "../../text/go-unquote.ts";
import { ask, created, read } from "./bucket.ts";
import { listingOf, listingQuery } from "./listing.ts";

const vendor = { scheme: "OBS", prefix: "x-obs-", hasFolders: true } as const;
const nothing = new Uint8Array();
const newKey = string({
  description:
    "The object's key, 1,023 bytes of UTF-8 at most. Without one a random UUID is its key.",
  example: "2026/order-42.json",
});
const key = string({ description: "The object's key.", example: "2026/order-42.json" });

/** Stores, reads, lists and deletes objects of a bucket of Huawei Cloud's OBS. */
export default defineBinding({
  name: "huawei.obs",
  status: "beta",
  summary: "Stores, reads, lists and deletes objects in a bucket of Huawei Cloud OBS.",
  provedBy: [{ system: "Huawei Cloud OBS", kind: "stand-in" }],

  metadata: {
    endpoint: string({
      description: "The region's endpoint. Without a scheme it is asked over HTTPS.",
      required: true,
      example: "https://obs.cn-north-4.myhuaweicloud.com",
    }),
    accessKey: string({
      description: "The id of the access key.",
      required: true,
      sensitive: true,
      example: "UDSIAMSTUBTEST000001",
    }),
    secretKey: string({
      description: "The secret of the access key.",
      required: true,
      sensitive: true,
    }),
    bucket: string({ description: "The bucket.", required: true, example: "shop-orders" }),
    region: string({
      description: "The region, which the endpoint names. Not used, as in Dapr.",
      example: "cn-north-4",
    }),
    localRoot: string({
      description:
        "The folder of this machine that `upload` may read from. Without one `upload` is refused. Dapr has no such field.",
      example: "/var/lib/shop/files",
    }),
    ...caCertField,
  },

  async open({ metadata, memory, hide, examines }) {
    const { endpoint, accessKey, secretKey, bucket, localRoot } = metadata;
    const files = await LocalRoot.open(localRoot, memory, !examines);
    const service = await ObjectService.open({
      ...{ vendor, bucket, memory, hide, caCert: metadata.caCert },
      endpoint: /^https?:\/\//i.test(endpoint) ? endpoint : `https://${endpoint}`,
      accessKeyId: accessKey,
      secret: secretKey,
    });
    return { service, files, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
  },

  examine: ({ service }, questions) => examineBucket(service, questions.metadata.bucket, questions),

  operations: {
    create: {
      description: "Stores the data as an object, which takes the place of one with the same key.",
      request: { key: newKey },
      idempotent: ({ key }) => Boolean(key),
      async invoke({ service }, { data = nothing, request, signal }) {
        const body = goUnquote(data) ?? data;
        const wanted = { method: "PUT", key: request.key || randomUUID(), body } as const;
        return { data: created(await ask(service, "putobject", wanted, signal)) };
      },
      async invokeStream({ service }, { body, request, signal }) {
        const wanted = { method: "PUT", key: request.key || randomUUID(), body } as const;
        return { data: created(await ask(service, "putobject", wanted, signal)) };
      },
    },
    upload: {
      description:
        'Stores a file below `localRoot` as an object. The data are a JSON object: `{"sourceFile": "order.json"}`.',
      request: { key: newKey },
      idempotent: ({ key }) => Boolean(key),
      async invoke({ service, files }, { data = nothing, request, signal }) {
        const { sourceFile } = jsonMembers(data);
        if (typeof sourceFile !== "string" || sourceFile === "")
          throw new BindingError("invalid_argument", "obs binding error: missing sourceFile");
        await files.locate("sourceFile", sourceFile);
        const body = files.parts("sourceFile", sourceFile);
        const wanted = { method: "PUT", key: request.key || randomUUID(), body } as const;
        return { data: created(await ask(service, "putfile", wanted, signal)) };
      },
    },
    get: {
      description: "Returns an object.",
      request: { key },
      idempotent: true,
      async invoke({ service }, { request, signal }) {
        const wanted = { method: "GET", key: demand(request.key) } as const;
        return { data: (await ask(service, "error getting obs object", wanted, signal)).body };
      },
      async invokeStream({ service }, { request, signal }) {
        const wanted = demand(request.key);
        return { body: (await read(service, "error getting obs object", wanted, signal)).body };
      },
    },
    delete: {
      description: "Deletes an object. OBS answers alike where there is none.",
      request: { key },
      idempotent: true,
      async invoke({ service }, { request, signal }) {
        const wanted = { method: "DELETE", key: demand(request.key) } as const;
        return { data: created(await ask(service, "error deleting obs object", wanted, signal)) };
      },
    },
    list: {
      description:
        "Lists objects. The data are a JSON object with `prefix`, `marker`, `delimiter` and `maxResults` (1,000), all optional.",
      request: {},
      idempotent: true,
      async invoke({ service }, { data = nothing, signal }) {
        const wanted = { method: "GET", query: listingQuery(data) } as const;
        return { data: listingOf(await ask(service, "error listing obs objects", wanted, signal)) };
      },
    },
  },
});

function demand(key: string | undefined): string {
  if (key) return key;
  throw new BindingError("invalid_argument", "obs binding error: can't read key value");
}
