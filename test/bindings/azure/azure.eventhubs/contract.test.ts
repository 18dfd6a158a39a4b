import { describeWith } from "../../../servers/describe-with.ts";
import { testSource } from "../../contract.ts";
import { startNamespace } from "../namespace.ts";
import { hubSource } from "./contract-source.ts";

describeWith("azurite-blob", (storage) =>
  testSource("azure.eventhubs", hubSource(storage, startNamespace)),
);
