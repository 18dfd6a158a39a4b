import { testSource } from "../../contract.ts";
import { eventGridSource } from "./contract-source.ts";

testSource("azure.eventgrid", eventGridSource);
