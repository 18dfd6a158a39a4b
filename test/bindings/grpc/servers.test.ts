import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import grpc from "../../../src/bindings/grpc/index.ts";
import { serve } from "../../server/serve.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { makeCertificates } from "../certificates.ts";
import { openOutput, textOf, type OpenedOutput } from "../opened-output.ts";

const certificates = makeCertificates();
afterAll(() => certificates.remove());

async function open(properties: Record<string, string>): Promise<OpenedOutput> {
  const output = await openOutput(grpc, properties);
  onTestFinished(() => output[Symbol.asyncDispose]());
  return output;
}

const service = "grpc.testing.TestService";
const body = (size: number) => Buffer.alloc(size).toString("base64");

async function unary(output: OpenedOutput): Promise<void> {
  const answer = await output.invoke(
    "call",
    { method: "UnaryCall", "header:x-grpc-test-echo-initial": "hello" },
    { data: JSON.stringify({ responseSize: 1000, payload: { body: body(10) } }) },
  );
  expect(JSON.parse(textOf(answer) ?? "")).toEqual({ payload: { body: body(1000) } });
  expect(answer?.metadata).toMatchObject({ "x-grpc-test-echo-initial": "hello" });
}

async function gather(body: AsyncIterable<Uint8Array> | undefined): Promise<object[]> {
  let text = "";
  for await (const part of body ?? []) text += Buffer.from(part).toString();
  return text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as object]));
}

describeWith("grpc-go", (server) => {
  const address = `${server.host}:${server.port}`;

  test("a unary call, with metadata both ways", async () => {
    const output = await open({ address, service });
    await unary(output);
    const trailer = Buffer.from([0, 1, 255]).toString("base64");
    const answer = await output.invoke("call", {
      method: "EmptyCall",
      "header:x-grpc-test-echo-trailing-bin": trailer,
    });
    expect(textOf(answer)).toBe("{}");
    await output.ping();
  });

  test("a streamed answer, in one and in parts", async () => {
    const output = await open({ address, method: `${service}/StreamingOutputCall` });
    const sizes = [3, 70_000, 1, 0];
    const responseParameters = sizes.map((size) => ({ size }));
    const data = JSON.stringify({ responseParameters });
    const expected = sizes.map((size) => ({ payload: size === 0 ? {} : { body: body(size) } }));
    const answer = await output.invoke("call", {}, { data });
    expect(JSON.parse(textOf(answer) ?? "")).toEqual(expected);
    const streamed = await output.invokeStream("call", {}, parts(data));
    expect(await gather(streamed?.body)).toEqual(expected);
  });

  test("a status with any text", async () => {
    const output = await open({ address, service });
    const responseStatus = {
      code: 9,
      message: "\t\ntest with whitespace\r\nand Unicode BMP ☺ 😈\t\n",
    };
    const data = JSON.stringify({ responseStatus });
    const call = output.invoke("call", { method: "UnaryCall" }, { data });
    await expect(call).rejects.toMatchObject({
      ...{ reason: "failed_precondition", effect: "rejected", systemCode: "FAILED_PRECONDITION" },
      message: `grpc: ${service}/UnaryCall: FAILED_PRECONDITION: ${responseStatus.message}`,
    });
  });

  test("a deadline is the server's too", async () => {
    const output = await open({ address, service, timeout: "100ms" });
    const data = JSON.stringify({ responseParameters: [{ size: 1, intervalUs: 20_000_000 }] });
    const call = output.invoke("call", { method: "StreamingOutputCall" }, { data });
    await expect(call).rejects.toMatchObject({ reason: "deadline_exceeded", effect: "ambiguous" });
  });

  test("a method that the server describes and does not have", async () => {
    const output = await open({ address, service });
    const call = output.invoke("call", { method: "UnimplementedCall" });
    await expect(call).rejects.toMatchObject({ reason: "unimplemented", effect: "rejected" });
  });
});

async function* parts(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

describeWith("grpc-go", { own: true, reflection: "v1alpha" }, (server) => {
  test("a server that has only v1alpha of reflection, and a server that is restarted", async () => {
    const output = await open({ address: `${server.host}:${server.port}`, service });
    await unary(output);
    await server.kill();
    await expect(output.ping()).rejects.toMatchObject({ reason: "unavailable" });
    const call = output.invoke("call", { method: "EmptyCall" });
    await expect(call).rejects.toMatchObject({ reason: "unavailable", effect: "unsent" });
    await server.start();
    await unary(output);
    await output.ping();
  });
});

describeWith("grpc-go", { own: true, tls: certificates.server, ca: certificates.ca }, (server) => {
  const address = `https://127.0.0.1:${server.tlsPort}`;
  const { ca: caCert, client } = certificates;

  test("TLS with certificates of both sides", async () => {
    const clientPair = { clientCert: client.cert, clientKey: client.keyPath };
    await unary(await open({ address, service, caCert, ...clientPair }));
    await unary(await open({ address, service, skipTLSVerify: "true", ...clientPair }));
    expect(server.log()).toContain(`call /${service}/UnaryCall`);
  });

  test("a certificate that is not trusted, or missing", async () => {
    const unavailable = { reason: "unavailable", effect: "unsent" };
    const opening = openOutput(grpc, { address });
    await expect(opening).rejects.toMatchObject(unavailable);
    await expect(openOutput(grpc, { address, caCert })).rejects.toMatchObject(unavailable);
    for (const more of [{ clientCert: client.cert }, { caCert: "no PEM" }])
      await expect(openOutput(grpc, { address, ...more })).rejects.toMatchObject({
        reason: "invalid_argument",
      });
  });
});

describeWith("grpc-go", { own: true, denied: "*" }, (server) => {
  test("a client that may call its own service alone needs a file", async () => {
    const address = `${server.host}:${server.port}`;
    const opening = openOutput(grpc, { address, service });
    await expect(opening).rejects.toMatchObject({
      ...{ reason: "invalid_argument", systemCode: "PERMISSION_DENIED" },
    });
  });
});

describe("this runtime", () => {
  test("calls its own services by reflection", async () => {
    await using served = await serve();
    const output = await open({ address: `127.0.0.1:${served.port}` });
    const listed = await output.invoke("call", {
      method: "cufflink.v1.Operations/ListComponents",
    });
    expect(JSON.parse(textOf(listed) ?? "")).toMatchObject({
      components: [{ name: "probe", type: "bindings.probe" }],
    });
    const data = JSON.stringify({
      ...{ name: "probe", operation: "echo", metadata: { "echo-a": "b" } },
      data: Buffer.from("hello").toString("base64"),
    });
    const method = "dapr.proto.runtime.v1.Dapr/InvokeBinding";
    const answer = await output.invoke("call", { method }, { data });
    expect(JSON.parse(textOf(answer) ?? "")).toEqual({
      data: Buffer.from("hello").toString("base64"),
      metadata: { a: "b" },
    });
    const unknown = JSON.stringify({ name: "nosuch", operation: "echo" });
    const call = output.invoke("call", { method }, { data: unknown });
    await expect(call).rejects.toMatchObject({ systemCode: "INTERNAL", effect: "ambiguous" });
    const failure = (await call.catch((error: unknown) => error)) as {
      metadata: Record<string, string>;
    };
    expect(JSON.parse(failure.metadata["status-details"] ?? "")).toMatchObject([
      { "@type": "type.googleapis.com/google.rpc.ErrorInfo" },
    ]);
  });
});
