import { toBinary, type DescFile, type DescService } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, type DescriptorProto } from "@bufbuild/protobuf/wkt";
import { ServerReflection as ReflectionV1 } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { createService, type Service } from "../grpc/service.ts";

/** What a client asks; the same in `v1` and `v1alpha`. */
type ReflectionRequest = {
  readonly host: string;
  readonly messageRequest:
    | {
        case:
          | "fileByFilename"
          | "fileContainingSymbol"
          | "allExtensionNumbersOfType"
          | "listServices";
        value: string;
      }
    | {
        case: "fileContainingExtension";
        value: { containingType: string; extensionNumber: number };
      }
    | { case: undefined; value?: undefined };
};

const notFound = 5;

/** `grpc.reflection`, in both versions, for these services and itself. */
export function reflectionServices(services: readonly DescService[]): Service[] {
  const reflection = new Reflection([...services, ReflectionV1, ReflectionV1Alpha]);
  return [
    createService(ReflectionV1, {
      serverReflectionInfo: (requests) => reflection.answers(requests),
    }),
    createService(ReflectionV1Alpha, {
      serverReflectionInfo: (requests) => reflection.answers(requests),
    }),
  ];
}

/** Answers reflection requests from the generated descriptors. */
class Reflection {
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  readonly #services: readonly string[];

  /** `services`: those that are served. What their files import comes along. */
  constructor(services: readonly DescService[]) {
    for (const { file } of services) this.#add(file);
    this.#services = services.map(({ typeName }) => typeName).toSorted();
  }

  async *answers(requests: AsyncIterable<ReflectionRequest>) {
    for await (const request of requests) {
      yield { validHost: request.host, messageResponse: this.#answer(request.messageRequest) };
    }
  }

  #answer(request: ReflectionRequest["messageRequest"]) {
    switch (request.case) {
      case "listServices":
        return {
          case: "listServicesResponse",
          value: { service: this.#services.map((name) => ({ name })) },
        } as const;
      case "fileByFilename":
        return this.#file(this.#files.get(request.value), request.value);
      case "fileContainingSymbol":
        return this.#file(this.#symbols.get(request.value), request.value);
      case "allExtensionNumbersOfType":
        return {
          case: "allExtensionNumbersResponse",
          value: { baseTypeName: request.value },
        } as const;
      case "fileContainingExtension":
        return this.#file(undefined, request.value.containingType);
      case undefined:
        return this.#file(undefined, "an empty request");
    }
  }

  #file(file: DescFile | undefined, what: string) {
    if (file === undefined) {
      return {
        case: "errorResponse",
        value: { errorCode: notFound, errorMessage: `not found: ${what}` },
      } as const;
    }
    const all = new Set<DescFile>();
    collect(file, all);
    const fileDescriptorProto = [...all].map(({ proto }) =>
      toBinary(FileDescriptorProtoSchema, proto),
    );
    return { case: "fileDescriptorResponse", value: { fileDescriptorProto } } as const;
  }

  #add(file: DescFile): void {
    const name = `${file.name}.proto`;
    if (this.#files.has(name)) return;
    this.#files.set(name, file);
    const { proto } = file;
    const scope = proto.package === "" ? "" : `${proto.package}.`;
    for (const service of proto.service) {
      this.#symbols.set(scope + service.name, file);
      for (const method of service.method) {
        this.#symbols.set(`${scope}${service.name}.${method.name}`, file);
      }
    }
    for (const message of proto.messageType) this.#addMessage(message, scope, file);
    for (const { name } of proto.enumType) this.#symbols.set(scope + name, file);
    for (const dependency of file.dependencies) this.#add(dependency);
  }

  #addMessage(message: DescriptorProto, scope: string, file: DescFile): void {
    const name = scope + message.name;
    this.#symbols.set(name, file);
    for (const nested of message.nestedType) this.#addMessage(nested, `${name}.`, file);
    for (const nested of message.enumType) this.#symbols.set(`${name}.${nested.name}`, file);
  }
}

function collect(file: DescFile, all: Set<DescFile>): void {
  if (all.has(file)) return;
  all.add(file);
  for (const dependency of file.dependencies) collect(dependency, all);
}
