import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { InvokeBindingRequestSchema } from "../../../gen/dapr/proto/runtime/v1/dapr_pb.ts";
import { frame } from "../../grpc/raw-client.ts";
import type { Call, Suite } from "../suite.ts";

const path = "/v1.0/bindings/files";
const method = "/dapr.proto.runtime.v1.Dapr/InvokeBinding";

function post(name: string, body: string | Buffer, headers: Record<string, string> = {}): Call {
  return { name, http: { path, body, headers } };
}

const invocation = Buffer.from(
  toBinary(
    InvokeBindingRequestSchema,
    create(InvokeBindingRequestSchema, { name: "files", operation: "list" }),
  ),
);

function rpc(name: string, body: Buffer, headers: Record<string, string> = {}): Call {
  return { name, grpc: { path: method, body, headers } };
}

/** What no binding has a part in: how requests are read, and what becomes of those that are none. */
export const api: Suite = {
  name: "api",
  servers: [],
  async prepare({ folder }) {
    const list = '{"operation":"list"}';
    const badUtf8 = Buffer.from([0xff, 0xfe]);
    const around = (before: string, after: string): Buffer =>
      Buffer.concat([Buffer.from(before), badUtf8, Buffer.from(after)]);
    return {
      components: [
        {
          ...{ name: "files", type: "bindings.localstorage" },
          metadata: { rootPath: join(folder, "root") },
        },
      ],
      calls: [
        { name: "a binding that is not there", binding: "nosuch", operation: "create" },
        { name: "no operation", binding: "files" },
        { name: "no operation of a binding that is not there", binding: "nosuch" },
        { name: "an operation in capital letters", binding: "files", operation: "LIST" },
        post("an empty body", ""),
        post("a body that is cut", '{"operation":'),
        post("a body that is no JSON", "nope"),
        post("a body in single quotes", "{'operation':'list'}"),
        post("a trailing comma", '{"operation":"list",}'),
        post("a byte order mark", `\ufeff${list}`),
        post("an array", "[]"),
        post("an operation that is a number", '{"operation":1}'),
        post("metadata that are a list", '{"operation":"list","metadata":[]}'),
        post("metadata with a number", '{"operation":"list","metadata":{"a":1}}'),
        post("keys in capital letters", '{"OPERATION":"list"}'),
        post("junk behind the JSON", `${list} junk`),
        post("a second value behind the JSON", `${list}${list}`),
        post("no UTF-8 in the operation", around('{"operation":"li', 'st"}')),
        post("no UTF-8 in metadata", around('{"operation":"get","metadata":{"fileName":"a', '"}}')),
        post("a compressed body", gzipSync(list), { "content-encoding": "gzip" }),
        post("a compressed body that says nothing of it", gzipSync(list)),
        post("identity", list, { "content-encoding": "identity" }),
        post("another media type", list, { "content-type": "text/plain" }),
        post("a body beyond the limit", `{"operation":"list","data":"${"x".repeat(4_194_304)}"}`),
        post(
          "no UTF-8 in the data",
          around('{"operation":"create","metadata":{"fileName":"u"},"data":"a', '"}'),
        ),
        post("what was stored of it", '{"operation":"get","metadata":{"fileName":"u"}}'),
        { name: "an unknown path", http: { method: "GET", path: "/v1.0/nosuch" } },
        { name: "GET of a binding", http: { method: "GET", path } },
        { name: "health", http: { method: "GET", path: "/v1.0/healthz" } },
        rpc("a message that is none", frame("\xff\xff\xff")),
        rpc("a message that is cut", frame(invocation).subarray(0, 8)),
        rpc("no message", Buffer.alloc(0)),
        rpc("two messages", Buffer.concat([frame(invocation), frame(invocation)])),
        rpc("a compressed message", frame(gzipSync(invocation), 1), { "grpc-encoding": "gzip" }),
        rpc("a compressed message that says nothing of it", frame(gzipSync(invocation), 1)),
        rpc("a compression that is not there", frame(invocation), { "grpc-encoding": "nosuch" }),
        rpc("gzip that is none", frame("this is no gzip at all", 1), { "grpc-encoding": "gzip" }),
        rpc("no UTF-8 in the name", frame(Buffer.from([0x0a, 0x02, 0xff, 0xfe]))),
        rpc("a message beyond the limit", frame(Buffer.alloc(4_194_305))),
        {
          name: "a method that is not there",
          grpc: { path: "/dapr.proto.runtime.v1.Dapr/NoSuch", body: frame("") },
        },
      ],
    };
  },
};
