import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Direction } from "../../gen/cufflink/v1/binding_types_pb.ts";
import { ComponentState, Operations } from "../../gen/cufflink/v1/operations_pb.ts";
import { serve, type Served } from "../server/serve.ts";

let served: Served;
beforeAll(async () => {
  served = await serve();
});
afterAll(() => served[Symbol.asyncDispose]());

function client() {
  return createClient(
    Operations,
    createGrpcTransport({ baseUrl: `http://127.0.0.1:${served.port}` }),
  );
}

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (thrown: unknown) => ConnectError.from(thrown).code,
  );

test("components are listed and described with their state", async () => {
  const { components } = await client().listComponents({});
  expect(components).toHaveLength(1);
  expect(components[0]).toMatchObject({
    name: "probe",
    type: "bindings.probe",
    version: "v1",
    state: ComponentState.RUNNING,
    reason: "",
    directions: [Direction.OUTPUT],
    capabilities: ["OUTPUT_BINDING"],
    required: false,
  });
  expect(components[0]?.operations).toContain("echo");
  expect(components[0]?.since?.seconds).toBeGreaterThan(0n);
  expect((await client().describeComponent({ name: "probe" })).component).toEqual(components[0]);
  expect(await codeOf(client().describeComponent({ name: "nosuch" }))).toBe(Code.NotFound);
});

test("types are listed by name, and described in any spelling", async () => {
  const { bindingTypes } = await client().listBindingTypes({});
  expect(bindingTypes.map(({ name }) => name)).toEqual(["probe"]);
  for (const name of ["probe", "bindings.probe", "BINDINGS.Probe"]) {
    expect((await client().describeBindingType({ name })).bindingType).toMatchObject({
      name: "probe",
      status: "stable",
      summary: "Answers as the tests need it.",
    });
  }
  expect(await codeOf(client().describeBindingType({ name: "nosuch" }))).toBe(Code.NotFound);
});

test("an event for a component that is not there is NOT_FOUND, without an app FAILED_PRECONDITION", async () => {
  expect(await codeOf(client().emitEvent({ component: "nosuch", event: {} }))).toBe(Code.NotFound);
  expect(await codeOf(client().emitEvent({ component: "probe", event: {} }))).toBe(
    Code.FailedPrecondition,
  );
});
