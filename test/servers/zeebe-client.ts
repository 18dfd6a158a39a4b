import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { GrpcClient } from "../../src/grpc/client.ts";
import { uniqueName } from "./unique-name.ts";

type Server = { readonly host: string; readonly port: number };

/** A process of one service task, as Camunda's modeler writes it. */
export function bpmn(
  id: string,
  task?: {
    readonly type: string;
    readonly retries?: number;
    readonly headers?: Readonly<Record<string, string>>;
  },
): string {
  const headers = Object.entries(task?.headers ?? {})
    .map(([name, value]) => `<zeebe:header key="${name}" value="${value}"/>`)
    .join("");
  const service =
    task === undefined
      ? ""
      : `<bpmn:serviceTask id="fetch"><bpmn:extensionElements><zeebe:taskDefinition type="${task.type}" retries="${task.retries ?? 3}"/><zeebe:taskHeaders>${headers}</zeebe:taskHeaders></bpmn:extensionElements></bpmn:serviceTask>`;
  return `<bpmn:definitions><bpmn:process id="${id}" isExecutable="true">${service}</bpmn:process></bpmn:definitions>`;
}

/** Another program that uses a gateway, which takes a restart of it between two calls. */
export function zeebeClient({ host, port }: Server, token?: string) {
  const client = new GrpcClient({ host, port, lazy: true });
  const call = async (method: string, write: (writer: BinaryWriter) => void) => {
    const writer = new BinaryWriter();
    write(writer);
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const options = { headers, waitForConnection: true, timeout: 10_000 };
    const path = `/gateway_protocol.Gateway/${method}`;
    const result = await client.unary(path, writer.finish(), options);
    if (result.kind === "ok") return result.message;
    throw new Error(`${method}: ${JSON.stringify(result)}`);
  };
  return {
    close: () => client.close(),
    async deploy(xml: string): Promise<void> {
      const resource = new BinaryWriter();
      resource.tag(1, WireType.LengthDelimited).string("process.bpmn");
      resource.tag(2, WireType.LengthDelimited).bytes(Buffer.from(xml));
      await call("DeployResource", (writer) =>
        writer.tag(1, WireType.LengthDelimited).bytes(resource.finish()),
      );
    },
    /** Starts an instance, whose key it gives. */
    async start(bpmnProcessId: string, variables = ""): Promise<bigint> {
      const answer = await call("CreateProcessInstance", (writer) => {
        writer.tag(2, WireType.LengthDelimited).string(bpmnProcessId);
        writer.tag(3, WireType.Varint).int32(-1);
        if (variables !== "") writer.tag(4, WireType.LengthDelimited).string(variables);
      });
      return int64At(answer, 4);
    },
    /** Takes jobs at once; the gateway gives them to nobody else so many milliseconds. */
    async activate(type: string, timeout = 60_000, most = 1000): Promise<Job[]> {
      const writer = new BinaryWriter();
      writer.tag(1, WireType.LengthDelimited).string(type);
      writer.tag(2, WireType.LengthDelimited).string("peer");
      writer.tag(3, WireType.Varint).int64(timeout);
      writer.tag(4, WireType.Varint).int32(most);
      writer.tag(6, WireType.Varint).int64(-1);
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const stream = client.stream(
        "/gateway_protocol.Gateway/ActivateJobs",
        (async function* () {
          yield writer.finish();
        })(),
        { headers, waitForConnection: true, timeout: 10_000 },
      );
      const jobs: Job[] = [];
      for await (const message of stream.messages)
        for (const job of fields(message, 1))
          jobs.push({
            key: int64At(job, 1),
            retries: Number(int64At(job, 11)),
            variables: Buffer.from(fields(job, 13)[0] ?? []).toString(),
          });
      return jobs;
    },
    async complete(key: bigint): Promise<void> {
      await call("CompleteJob", (writer) => writer.tag(1, WireType.Varint).int64(key));
    },
    async cancel(instance: bigint): Promise<void> {
      await call("CancelProcessInstance", (writer) =>
        writer.tag(1, WireType.Varint).int64(instance),
      );
    },
    /** A job type with a process of it, which no other test uses. */
    async place(options: { readonly retries?: number; readonly raw?: boolean } = {}) {
      const type = uniqueName("fetch");
      const processId = `${options.raw === true ? "raw-" : "p-"}${type}`;
      const { retries = 3 } = options;
      const headers = { colour: "grün", empty: "" };
      await this.deploy(bpmn(processId, { type, retries, headers }));
      return { type, processId };
    },
  };
}

export type Job = { readonly key: bigint; readonly retries: number; readonly variables: string };

function fields(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted) found.push(reader.bytes());
    else reader.skip(type, field);
  }
  return found;
}

function int64At(bytes: Uint8Array, wanted: number): bigint {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted) return BigInt(reader.int64());
    reader.skip(type, field);
  }
  return 0n;
}
