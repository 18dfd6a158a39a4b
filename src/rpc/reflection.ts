import { toBinary, type DescFile } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

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

/** Answers reflection requests from the generated descriptors. */
export class Reflection {
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  readonly #services: string[] = [];

  /** `files`: those with the services that are served; what they import comes along. */
  constructor(files: readonly DescFile[]) {
    for (const file of files) this.#add(file);
    for (const file of files) this.#services.push(...file.services.map(({ typeName }) => typeName));
    this.#services.sort();
  }

  /** The services that are served, by name. */
  get services(): readonly string[] {
    return this.#services;
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
    for (const service of file.services) {
      this.#symbols.set(service.typeName, file);
      for (const method of service.methods)
        this.#symbols.set(`${service.typeName}.${method.name}`, file);
    }
    for (const message of file.messages) this.#addMessage(message, file);
    for (const { typeName } of file.enums) this.#symbols.set(typeName, file);
    for (const dependency of file.dependencies) this.#add(dependency);
  }

  #addMessage(message: DescFile["messages"][number], file: DescFile): void {
    this.#symbols.set(message.typeName, file);
    for (const { typeName } of message.nestedEnums) this.#symbols.set(typeName, file);
    for (const nested of message.nestedMessages) this.#addMessage(nested, file);
  }
}

function collect(file: DescFile, all: Set<DescFile>): void {
  if (all.has(file)) return;
  all.add(file);
  for (const dependency of file.dependencies) collect(dependency, all);
}
