import zeebeCommand from "../../../src/bindings/zeebe/zeebe.command/index.ts";
import { describeWith } from "../../servers/describe-with.ts";
import { zeebePeer } from "../zeebe/peer.ts";
import { testAttempts } from "./suite.ts";

describeWith("zeebe", (server) => {
  testAttempts(zeebeCommand, "create-instance", async () => {
    const peer = zeebePeer(server);
    const { type, processId } = await peer.place();
    let times = 0;
    return {
      server,
      properties: ({ host, port }) => ({
        ...{ gatewayAddr: `${host}:${port}`, usePlainTextConnection: "true" },
      }),
      operation: "create-instance",
      request: (mark) => ({
        data: JSON.stringify({ bpmnProcessId: processId, variables: { mark } }),
      }),
      noticesByCall: true,
      async done(mark) {
        // What was taken does not come again meanwhile.
        const jobs = await peer.activate(type);
        times += jobs.filter(({ variables }) => variables.includes(mark)).length;
        return times;
      },
    };
  });
});
