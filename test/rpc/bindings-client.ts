export { bindingsClient } from "../../src/rpc/in-process-client.ts";
