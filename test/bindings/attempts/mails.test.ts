import postmark from "../../../src/bindings/postmark/index.ts";
import sendgrid from "../../../src/bindings/twilio.sendgrid/index.ts";
import { serverToken, startPostmark } from "../../servers/postmark.ts";
import { apiKey, startSendgrid } from "../../servers/sendgrid.ts";
import { endAfterTest } from "../contract.ts";
import { testAttempts } from "./suite.ts";

const mail = { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "Hello" };

testAttempts(postmark, "create", async () => {
  const server = await startPostmark();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    server: { host: "127.0.0.1", port: server.port },
    ...{ operation: "create", connectsByCall: true },
    properties: ({ host, port }) => ({ ...mail, serverToken, apiUrl: `http://${host}:${port}` }),
    request: (mark) => ({ data: mark }),
    done: async (mark) => server.mails.filter(({ HtmlBody }) => HtmlBody === mark).length,
  };
});

testAttempts(sendgrid, "create", async () => {
  const server = await startSendgrid();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  return {
    server: { host: "127.0.0.1", port: server.port },
    ...{ operation: "create", connectsByCall: true },
    properties: ({ host, port }) => ({ ...mail, apiKey, apiUrl: `http://${host}:${port}` }),
    request: (mark) => ({ data: mark }),
    done: async (mark) => server.mails.filter(({ content }) => content?.[0]?.value === mark).length,
  };
});
