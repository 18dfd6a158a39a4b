import { describeWith } from "../../../servers/describe-with.ts";
import { testSource } from "../../contract.ts";
import { blobSource } from "./contract-source.ts";

describeWith("azurite-blob", (server) =>
  testSource("azure.blobstorage, by listing", blobSource(server)),
);
