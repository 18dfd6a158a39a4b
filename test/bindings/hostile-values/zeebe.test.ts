import zeebeCommand from "../../../src/bindings/zeebe/zeebe.command/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { zeebePeer } from "../zeebe/peer.ts";
import { testHostileValues } from "./suite.ts";

describeWith("zeebe", (server) => {
  const places = ["a variable", "the name of a variable", "the name of a resource"];
  testHostileValues(zeebeCommand, places, async () => {
    const peer = zeebePeer(server);
    const { type, processId } = await peer.place();
    const properties = {
      ...{ gatewayAddr: `${server.host}:${server.port}`, usePlainTextConnection: "true" },
    };
    let deployed: string[] = [];
    const arrived = async (part: (variables: object) => string[]) =>
      (await peer.activate(type)).flatMap(({ variables }) => part(JSON.parse(variables) as object));
    const start = (variables: object) =>
      Buffer.from(JSON.stringify({ bpmnProcessId: processId, variables }));
    return {
      properties,
      places: {
        "a variable": {
          send: (output, value) =>
            output.invoke("create-instance", {}, { data: start({ mark: value }) }),
          arrived: () => arrived((variables) => Object.values(variables) as string[]),
        },
        "the name of a variable": {
          send: (output, value) =>
            output.invoke("create-instance", {}, { data: start({ [value]: 1 }) }),
          arrived: () => arrived((variables) => Object.keys(variables)),
        },
        "the name of a resource": {
          async send(output, fileName) {
            const data = `<process id="${processId}-other">`;
            const answer = await output.invoke("deploy-resource", { fileName }, { data });
            const { deployments } = JSON.parse(Buffer.from(answer?.data ?? []).toString()) as {
              deployments: { Metadata: { Process: { resourceName: string } } }[];
            };
            deployed = deployments.map(({ Metadata }) => Metadata.Process.resourceName);
          },
          arrived: async () => deployed.splice(0),
        },
      },
    };
  });
});
