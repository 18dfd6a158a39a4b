import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Direction } from "../../gen/cufflink/v1/binding_types_pb.ts";
import {
  ChangeKind,
  CheckKind,
  CheckResult,
  ComponentState,
  FindingSeverity,
  Operations,
  ReloadOutcome,
} from "../../gen/cufflink/v1/operations_pb.ts";
import type { Definition } from "../../src/resources/definition.ts";
import { DeadLetterManager } from "../../src/runtime/records/dead-letters.ts";
import type { RuntimeLogger } from "../../src/runtime/runtime-logger.ts";
import { FakeDeadLetterStore } from "../runtime/stored-dead-letters.ts";
import { send, serve, type Served } from "../server/serve.ts";
import { FakeOperator } from "./fake-operator.ts";

const logger: RuntimeLogger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };

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

test("the runtime tells what it is", async () => {
  const { startedAt, ...about } = await client().describeRuntime({});
  expect(about).toMatchObject({ appId: "shop", version: "1.2.3", revision: 1n, app: "" });
  const age = Date.now() - Number(startedAt?.seconds ?? 0n) * 1000;
  expect(age).toBeLessThan(process.uptime() * 1000 + 2000);
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

test("what an operator may not do here is UNIMPLEMENTED", async () => {
  expect(await codeOf(client().pauseComponent({ name: "probe" }))).toBe(Code.Unimplemented);
});

describe("with an operator", () => {
  const operator = new FakeOperator();
  const definitions = new Map<string, Definition>();
  let other: Served;
  beforeAll(async () => {
    const deadLetters = new DeadLetterManager({
      ...{ store: new FakeDeadLetterStore(), logger },
      redrive: () => Promise.reject(new Error("no test needs it")),
      invoke: () => Promise.reject(new Error("no test needs it")),
    });
    other = await serve({
      operations: {
        ...{ operator, deadLetters, reload: operator.reload },
        definition: (name) => definitions.get(name),
      },
    });
  });
  afterAll(() => other[Symbol.asyncDispose]());
  beforeEach(() => {
    operator.asked.splice(0);
    operator.reloads.splice(0);
  });

  function client() {
    return createClient(
      Operations,
      createGrpcTransport({ baseUrl: `http://127.0.0.1:${other.port}` }),
    );
  }

  test("components are paused, resumed, restarted and drained", async () => {
    const paused = await client().pauseComponent({
      ...{ name: "probe", reason: "the shop moves", by: "ann" },
    });
    expect(paused.component?.name).toBe("probe");
    await client().pauseComponent({ name: "probe" });
    await client().resumeComponent({ name: "probe" });
    await client().restartComponent({ name: "probe" });
    const drained = await client().drainComponent({ name: "probe", deadline: { seconds: 5n } });
    expect(drained).toMatchObject({ component: { name: "probe" }, abandoned: 2n });
    await client().drainComponent({ name: "probe" });
    expect(operator.asked).toEqual([
      "pause probe by ann: the shop moves",
      "pause probe by an operator: ",
      "resume probe",
      "restart probe",
      "drain probe within 5000",
      "drain probe within 30000",
    ]);
    const late = client().drainComponent({ name: "probe", deadline: { seconds: -5n } });
    expect(await codeOf(late)).toBe(Code.InvalidArgument);
  });

  test("all inputs are drained at once", async () => {
    expect(await client().drainInputs({ deadline: { seconds: 5n } })).toMatchObject({
      abandoned: 3n,
    });
    await client().drainInputs({});
    expect(operator.asked).toEqual(["drain all within 5000", "drain all within 30000"]);
    const late = client().drainInputs({ deadline: { seconds: -5n } });
    expect(await codeOf(late)).toBe(Code.InvalidArgument);
  });

  test("a definition is told as the resources have it, and is empty where they have none", async () => {
    const { $typeName: _, ...empty } = await client().getDefinition({ name: "probe" });
    expect(empty).toEqual({ yaml: "", file: "", line: 0, findings: [] });
    definitions.set("probe", {
      ...{ yaml: "kind: Component", file: "a.yaml", line: 3 },
      findings: [{ severity: "error", message: "no such topic", line: 4, column: 5 }],
    });
    expect(await client().getDefinition({ name: "probe" })).toMatchObject({
      ...{ yaml: "kind: Component", file: "a.yaml", line: 3 },
      findings: [{ severity: FindingSeverity.ERROR, message: "no such topic", line: 4, column: 5 }],
    });
  });

  test("unknown names are NOT_FOUND", async () => {
    const name = "nosuch";
    for (const call of [
      client().getDefinition({ name }),
      client().pauseComponent({ name }),
      client().resumeComponent({ name }),
      client().restartComponent({ name }),
      client().drainComponent({ name }),
      client().describePolicies({ name }),
    ]) {
      expect(await codeOf(call)).toBe(Code.NotFound);
    }
  });

  test("components are examined, all where none is named, and each result comes by itself", async () => {
    const detail = "as ann";
    operator.checks = [{ kind: "authenticated", subject: "", result: "passed", detail }];
    const results = await gathered(client().examineComponents({}));
    const check = {
      kind: CheckKind.AUTHENTICATED,
      result: CheckResult.PASSED,
      detail,
      subject: "",
    };
    expect(results).toMatchObject([
      { component: "probe", type: "bindings.probe", checks: [check] },
    ]);
    await gathered(
      client().examineComponents({ names: ["probe", "probe"], timeout: { seconds: 2n } }),
    );
    expect(operator.asked).toEqual(["examine probe within 10000", "examine probe within 2000"]);
    const unknown = gathered(client().examineComponents({ names: ["nosuch"] }));
    expect(await codeOf(unknown)).toBe(Code.NotFound);
    const late = gathered(client().examineComponents({ timeout: { seconds: -1n } }));
    expect(await codeOf(late)).toBe(Code.InvalidArgument);
  });

  test("policies are told in both directions, where there is one", async () => {
    const attempts = { name: "attempts", value: "10", source: "default" };
    operator.policiesOf = { inbound: [attempts], outbound: undefined };
    const { inbound, outbound } = await client().describePolicies({ name: "probe" });
    expect(inbound?.parts).toMatchObject([attempts]);
    expect(outbound).toBeUndefined();
  });

  test("a reload is asked for, and the last ones are listed", async () => {
    const { result } = await client().reload({});
    expect(result).toMatchObject({
      revision: 1n,
      outcome: ReloadOutcome.PARTLY_APPLIED,
      components: [
        { name: "a", kind: ChangeKind.CREATED, applied: true, source: "a.yaml:1:1" },
        { name: "b", kind: ChangeKind.UPDATED, applied: false, reason: "no broker" },
      ],
    });
    expect(result?.problems).toHaveLength(1);
    await client().reload({});
    const { reloads } = await client().listReloads({});
    expect(reloads.map(({ revision }) => revision)).toEqual([2n, 1n]);
  });

  test("all of it is there as JSON over HTTP", async () => {
    const answer = await send(other.port, "/cufflink.v1.Operations/DrainComponent", {
      body: JSON.stringify({ name: "probe", deadline: "1.5s" }),
      headers: { "content-type": "application/json" },
    });
    expect(JSON.parse(answer.text)).toMatchObject({ component: { name: "probe" }, abandoned: "2" });
    expect(operator.asked).toEqual(["drain probe within 1500"]);
  });
});

async function gathered<Message>(messages: AsyncIterable<Message>): Promise<Message[]> {
  const all: Message[] = [];
  for await (const message of messages) all.push(message);
  return all;
}
