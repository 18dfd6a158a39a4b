import type { HttpEndpoints } from "../../binding.ts";
import type { PortProbe, PortUse } from "../../port-use.ts";

/** Ports as an examination has them: whether they could be listened on is told to `found`, and nobody listens. */
export function examinedEndpoints(
  { probe }: Partial<PortProbe>,
  found: (port: number, use: PortUse) => void,
): HttpEndpoints {
  return {
    async listen(host, port) {
      if (probe !== undefined) found(port, await probe(host, port));
      return {
        port,
        handle: () => () => undefined,
        // No request comes.
        memory: { reserve: () => false, release: () => undefined },
        async [Symbol.asyncDispose]() {},
      };
    },
  };
}
