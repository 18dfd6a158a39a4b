import { testSource } from "../../contract.ts";
import { startNamespace } from "../namespace.ts";
import { queueSource } from "./contract-source.ts";

testSource("azure.servicebus.queues, sessions", queueSource(startNamespace, "sessions"));
testSource("azure.servicebus.queues, one by one", queueSource(startNamespace, "one"));
