import type { RequestHead } from "../grpc/request-head.ts";
import type { Service } from "../grpc/service.ts";
import { unauthenticated } from "../rpc/errors.ts";
import { mainServices, type ServicesOptions } from "../rpc/main-services.ts";
import type { TokenCheck } from "./gate.ts";
import { lazily } from "./lazily.ts";
import { createRpcHandlers, type RpcHandlers } from "./rpc-handlers.ts";

export type ServiceLanesOptions = ServicesOptions & {
  readonly token: TokenCheck;
  /** The largest request, and answer, in bytes. */
  readonly maxBodySize: number;
};

const largestAnswer = 256 * 1024 * 1024;

/** The services of a runtime, and what serves them: in a file of its own because it is loaded after the start. */
export class ServiceLanes {
  /** Serves the services of `mainServiceNames`. */
  readonly main: RpcHandlers;
  readonly #options: ServiceLanesOptions;
  readonly #mainServices: readonly Service[];
  readonly #otherServices: () => Promise<Service[]>;

  constructor(options: ServiceLanesOptions) {
    this.#options = options;
    this.#mainServices = mainServices(options);
    this.#otherServices = lazily(async () => {
      const { otherServices } = await import("../rpc/other-services.ts");
      return otherServices(options, this.#mainServices);
    });
    this.main = this.#handlers(this.#mainServices, options.maxBodySize);
  }

  /** What serves those of `otherServiceNames`. */
  async others(): Promise<RpcHandlers> {
    // A dead letter may be of any size, and is shown whole.
    const maxAnswerSize = Math.max(this.#options.maxBodySize, largestAnswer);
    return this.#handlers(await this.#otherServices(), maxAnswerSize);
  }

  async services(): Promise<Service[]> {
    return [...this.#mainServices, ...(await this.#otherServices())];
  }

  #handlers(services: readonly Service[], maxAnswerSize: number): RpcHandlers {
    const { token, maxBodySize } = this.#options;
    return createRpcHandlers({
      ...{ services, maxAnswerSize, maxMessageSize: maxBodySize, limitFlag: "--max-body-size" },
      admit(head: RequestHead) {
        const problem = exempt(head.get(":path")) ? undefined : token(head);
        if (problem !== undefined) throw unauthenticated(problem);
      },
    });
  }
}

/** Health needs no token: it is used by probes. */
function exempt(path: string | undefined): boolean {
  return path?.startsWith("/grpc.health.v1.Health/") ?? false;
}
