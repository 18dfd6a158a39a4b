import type { Suite } from "../suite.ts";

/** What is answered before anything goes out. */
export const smtp: Suite = {
  name: "smtp",
  servers: [],
  async prepare() {
    const server = { host: "127.0.0.1", port: "1" };
    // In Dapr what a call says of itself stays for the later ones of its component.
    const components = ["sender", "recipient", "subject"].map((without) => ({
      ...{ name: `no-${without}`, type: "bindings.smtp", metadata: server },
    }));
    const create = { operation: "create", data: "x" };
    const mail = { emailFrom: "shop@example.org", emailTo: "to@example.org", subject: "s" };
    const { emailFrom, emailTo, subject } = mail;
    return {
      components,
      calls: [
        { ...create, name: "no sender", binding: "no-sender", metadata: { emailTo, subject } },
        {
          ...{ ...create, name: "no recipient", binding: "no-recipient" },
          metadata: { emailFrom, subject },
        },
        { ...create, name: "no subject", binding: "no-subject", metadata: { emailFrom, emailTo } },
        { name: "an operation that is not there", binding: "no-sender", operation: "get" },
      ],
    };
  },
};
