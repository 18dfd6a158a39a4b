import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, onTestFinished, test } from "vitest";
import { refusal } from "../../src/amqp-client/failures.ts";
import type { AnyBinding } from "../../src/binding.ts";
import oss from "../../src/bindings/alicloud/alicloud.oss/index.ts";
import openai from "../../src/bindings/azure/azure.openai/index.ts";
import bucket from "../../src/bindings/gcp/gcp.bucket/index.ts";
import pubsub from "../../src/bindings/gcp/gcp.pubsub/index.ts";
import { grantOfStatus } from "../../src/identity/gcp/denied-permission.ts";
import secretManager from "../../src/secret-stores/gcp.secretmanager/index.ts";
import { openStore } from "../secret-stores/open.ts";
import { listen, startLoopback } from "./http/loopback-server.ts";
import { openOutput } from "./opened-output.ts";
import { outputsAt } from "./outputs-at.ts";

/** A server that answers everything with this. */
async function answering(status: number, body: string): Promise<string> {
  const server = await startLoopback((_, response) => void response.writeHead(status).end(body));
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server.url;
}

/** What a call to the output at that URL fails of. */
async function failureAt(
  binding: AnyBinding,
  url: string,
  more: Record<string, string> = {},
): Promise<unknown> {
  const made = outputsAt[binding.name]?.(url);
  const { properties = {}, operation = "create", data = "x" } = made ?? {};
  await using output = await openOutput(binding, { ...properties, ...more });
  return await output.invoke(operation, {}, { data }).catch((error: unknown) => error);
}

const infoType = "type.googleapis.com/google.rpc.ErrorInfo";
const permission = "pubsub.topics.publish";
const resource = "projects/shop/topics/orders";
const grant = `; grant the permission ${permission} on ${resource} to the component's identity`;

type Info = {
  readonly type?: string;
  readonly reason?: string;
  readonly metadata?: Readonly<Record<string, string>>;
};

const usual = {
  ...{ type: infoType, reason: "IAM_PERMISSION_DENIED" },
  metadata: { permission, resource },
};

function googleError(message: string, { type, reason, metadata }: Info): string {
  const details = [
    { "@type": "type.googleapis.com/google.rpc.Help", links: [] },
    { "@type": type, reason, domain: "iam.googleapis.com", metadata },
  ];
  return JSON.stringify({ error: { code: 403, message, status: "PERMISSION_DENIED", details } });
}

type Written = (writer: BinaryWriter) => void;
const encode = (...parts: readonly Written[]): Uint8Array => {
  const writer = new BinaryWriter();
  for (const part of parts) part(writer);
  return writer.finish();
};
const field =
  (number: number, value: string | Uint8Array): Written =>
  (writer) =>
    void writer.tag(number, WireType.LengthDelimited).bytes(Buffer.from(value));

/** An encoded `google.rpc.Status`. */
function googleStatus({ type = "", reason = "", metadata = {} }: Info): Uint8Array {
  const entries = Object.entries(metadata).map(([name, value]) =>
    field(3, encode(field(1, name), field(2, value))),
  );
  const info = encode(field(1, reason), field(2, "iam.googleapis.com"), ...entries);
  const code: Written = (writer) => void writer.tag(1, WireType.Varint).int32(7);
  return encode(code, field(2, "no"), field(3, encode(field(1, type), field(2, info))));
}

describe("Google Cloud", () => {
  const said = "User not authorized to perform this action.";

  test("gcp.bucket and gcp.secretmanager name the permission of the error's details", async () => {
    const endpoint = await answering(403, googleError("no", usual));
    const properties = { endpoint, bucket: "orders", projectID: "shop" };
    expect(await failureAt(bucket, endpoint, properties)).toMatchObject({
      reason: "permission_denied",
      message: expect.stringMatching(
        new RegExp(`googleapi: Error 403: no${grant.replaceAll(".", "\\.")}$`),
      ) as string,
    });
    const { read } = openStore(secretManager, { projectID: "shop", endpoint });
    await expect(read("db")).rejects.toMatchObject({
      message: `Secret Manager, asked for the secret "db", answered 403: PERMISSION_DENIED: no${grant}`,
    });
  });

  test("gcp.pubsub names it by gRPC", async () => {
    const server = createHttp2Server();
    server.on("stream", (stream: ServerHttp2Stream) => {
      stream.respond(
        {
          ...{ ":status": 200, "content-type": "application/grpc", "grpc-status": "7" },
          "grpc-message": said,
          "grpc-status-details-bin": Buffer.from(googleStatus(usual)).toString("base64"),
        },
        { endStream: true },
      );
    });
    onTestFinished(() => void server.close());
    const endpoint = `http://127.0.0.1:${await listen(server)}`;
    const properties = { endpoint, projectID: "shop", topic: "orders" };
    expect(await failureAt(pubsub, endpoint, properties)).toMatchObject({
      reason: "permission_denied",
      message: expect.stringContaining(`PermissionDenied desc = ${said}${grant}`) as string,
    });
  });

  test.each<[string, Info]>([
    ["another reason", { ...usual, reason: "RATE_LIMIT_EXCEEDED" }],
    ["no permission", { ...usual, metadata: { resource } }],
    ["another detail", { ...usual, type: "type.googleapis.com/google.rpc.QuotaFailure" }],
    ["what is no name", { ...usual, metadata: { permission: "a; rm -rf /\n", resource } }],
  ])("says nothing more for %s", async (_, info) => {
    expect(grantOfStatus(googleStatus(info), said)).toBe("");
    const endpoint = await answering(403, googleError("no", info));
    const { read } = openStore(secretManager, { projectID: "shop", endpoint });
    await expect(read("db")).rejects.toMatchObject({
      message: expect.stringMatching(/: PERMISSION_DENIED: no$/) as string,
    });
  });

  test("says nothing twice, and nothing of details that cannot be read", () => {
    expect(grantOfStatus(googleStatus(usual), said)).toBe(grant);
    expect(grantOfStatus(googleStatus(usual), `Permission '${permission}' denied`)).toBe("");
    expect(grantOfStatus(googleStatus(usual).subarray(0, 40), said)).toBe("");
    expect(grantOfStatus(undefined, said)).toBe("");
    const elsewhere = { ...usual, metadata: { permission, resource: "a\nb" } };
    expect(grantOfStatus(googleStatus(elsewhere), said)).not.toContain(" on ");
  });
});

describe("Azure", () => {
  test.each([
    ["Send", "Data Sender"],
    ["Listen", "Data Receiver"],
    ["Manage", "Data Owner"],
  ])("a namespace that asks for the claim %s", (right, role) => {
    const description = `Unauthorized access. '${right}' claim(s) are required to perform this operation. Resource: 'sb://shop/orders'.`;
    const error = refusal("sending", { condition: "amqp:unauthorized-access", description });
    expect(error.reason).toBe("permission_denied");
    expect(error.message).toBe(
      `sending: ${description} (amqp:unauthorized-access); give the shared access policy the right ${right}, or the component's identity the service's role ${role}`,
    );
  });

  test("what names no claim gets no hint", () => {
    for (const description of ["Put token failed.", "'Own' claim(s) are required"]) {
      const error = refusal("sending", { condition: "amqp:unauthorized-access", description });
      expect(error.message).toBe(`sending: ${description} (amqp:unauthorized-access)`);
    }
  });

  test("azure.openai: a data action that the identity lacks is a permission, not a log-in", async () => {
    const message =
      "The principal `p` lacks the required data action `Microsoft.CognitiveServices/accounts/OpenAI/deployments/completions/action` to perform `POST /openai/deployments/{deployment-id}/completions` operation.";
    const body = JSON.stringify({ error: { code: "PermissionDenied", message } });
    expect(await failureAt(openai, await answering(401, body))).toMatchObject({
      ...{ reason: "permission_denied", systemCode: "PermissionDenied" },
      message: expect.stringContaining(message) as string,
    });
    const wrongKey = JSON.stringify({ error: { code: "401", message: "Access denied" } });
    expect(await failureAt(openai, await answering(401, wrongKey))).toMatchObject({
      reason: "unauthenticated",
    });
  });
});

describe("alicloud.oss", () => {
  /** As Alibaba's pages of OSS's error codes show it. */
  const refused = (detail: string): string =>
    `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access denied by authorizer's policy.</Message><RequestId>R</RequestId>${detail}</Error>`;
  const detail = (type: string, action = "oss:PutObject"): string =>
    `<AccessDeniedDetail><NoPermissionType>${type}</NoPermissionType><AuthAction>${action}</AuthAction></AccessDeniedDetail>`;

  test.each([
    [detail("ImplicitDeny"), "; allow oss:PutObject in a policy of the RAM user or role"],
    [detail("ExplicitDeny"), "; a policy denies oss:PutObject: remove or narrow that statement"],
    [detail("Other"), ""],
    [detail("ImplicitDeny", "x\ny"), ""],
    ["", ""],
  ])("%s", async (more, hint) => {
    const error = await failureAt(oss, await answering(403, refused(more)));
    expect(error).toMatchObject({ reason: "permission_denied", systemCode: "AccessDenied" });
    expect(String(error).endsWith(`RequestId=R${hint}`)).toBe(true);
  });
});
