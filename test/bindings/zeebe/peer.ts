import { bpmn, zeebeClient } from "../../servers/zeebe-client.ts";
import { endAfterTest } from "../contract.ts";

export { bpmn };

/** As `zeebeClient`, to the end of the test. */
export function zeebePeer(...at: Parameters<typeof zeebeClient>) {
  const client = zeebeClient(...at);
  endAfterTest(() => client.close());
  return client;
}
