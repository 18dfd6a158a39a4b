import type { Suite } from "../suite.ts";

/** What is answered before anything goes out: Dapr's component has no other address than Twilio's. */
export const twilioSms: Suite = {
  name: "twilio.sms",
  servers: [],
  async prepare() {
    return {
      components: [
        {
          ...{ name: "sms", type: "bindings.twilio.sms" },
          metadata: { fromNumber: "+15550001", accountSid: "AC1", authToken: "secret" },
        },
      ],
      calls: [
        { name: "create without a number", binding: "sms", operation: "create", data: "x" },
        {
          ...{
            name: "create with an empty number",
            binding: "sms",
            operation: "create",
            data: "x",
          },
          metadata: { toNumber: "" },
        },
        { name: "an operation that is not there", binding: "sms", operation: "get" },
      ],
    };
  },
};
