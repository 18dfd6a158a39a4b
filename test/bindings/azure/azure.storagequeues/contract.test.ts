import { describeWith } from "../../../servers/describe-with.ts";
import { testRestart, testSource } from "../../contract.ts";
import { storageQueueSource } from "../queue-source.ts";

describeWith("azurite-queue", (server) =>
  testSource("azure.storagequeues", storageQueueSource(server)),
);

describeWith("azurite-queue", { own: true, keepsData: true }, (server) =>
  testRestart("azure.storagequeues", storageQueueSource(server), server),
);
