import { BindingError } from "../../errors.ts";
import type { Questions } from "../../examination.ts";
import { examineByRequest } from "../../examine-by-request.ts";
import { endpointOf, GrpcService } from "../../grpc-service/service.ts";
import type { MemoryShare } from "../../memory/budget.ts";
import type { Values } from "../../metadata/fields.ts";
import { pemOrFile } from "../../tls/pem.ts";
import type { gatewayFields } from "./fields.ts";
import { gateway } from "./messages.ts";
import { hasLogin, ZeebeLogin } from "./login.ts";

type Metadata = Values<typeof gatewayFields>;

/** Jobs with all their variables come in one answer. */
const largestAnswer = 64 * 1024 * 1024;
const usualKeepAlive = 45_000;

/** Throws a `BindingError` for what no gateway would mend. */
export function checkGateway(metadata: Metadata): void {
  if (metadata.gatewayAddr === "")
    throw new BindingError("invalid_argument", "gatewayAddr is a required attribute");
  endpointOf("gatewayAddr", metadata.gatewayAddr, !metadata.usePlainTextConnection);
  if (metadata.gatewayKeepAlive < 0)
    throw new BindingError("invalid_argument", "keep alive must be a positive duration");
  hasLogin(metadata);
}

/** Connects, and proves that the gateway is there, for which it needs no permission. Rejects with a `BindingError`. */
export async function openGateway(
  metadata: Metadata,
  memory: MemoryShare,
  hide: ((secret: string) => void) | undefined,
  signal: AbortSignal,
): Promise<GrpcService> {
  checkGateway(metadata);
  const { gatewayAddr, usePlainTextConnection, caCertificatePath, gatewayKeepAlive } = metadata;
  const endpoint = endpointOf("gatewayAddr", gatewayAddr, !usePlainTextConnection);
  const authorities =
    endpoint.secure && caCertificatePath
      ? await pemOrFile("caCertificatePath", caCertificatePath)
      : undefined;
  const service = new GrpcService({
    ...{ title: "Zeebe", endpoint, authorities, service: "gateway_protocol.Gateway" },
    login: hasLogin(metadata) ? new ZeebeLogin(metadata, hide) : undefined,
    answers: { maxBytes: largestAnswer, setting: "64 MiB", memory: memory.forAnswers },
    pingInterval: gatewayKeepAlive || usualKeepAlive,
  });
  try {
    await service.ping(signal);
    return service;
  } catch (error) {
    await service[Symbol.asyncDispose]();
    throw error;
  }
}

/** Whether the gateway knows the log-in, by asking for its topology. */
export async function examineGateway(service: GrpcService, questions: Questions): Promise<void> {
  const request = async (): Promise<void> => {
    await service.call(gateway.topology, {}, { what: "topology", signal: questions.signal });
  };
  await examineByRequest(questions, request, [["authenticated", ""]]);
}
