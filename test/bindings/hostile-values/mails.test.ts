import postmark from "../../../src/bindings/postmark/index.ts";
import sendgrid from "../../../src/bindings/twilio.sendgrid/index.ts";
import { serverToken, startPostmark } from "../../servers/postmark.ts";
import { apiKey, startSendgrid } from "../../servers/sendgrid.ts";
import { endAfterTest } from "../contract.ts";
import { testHostileValues, type HostilePlace } from "./suite.ts";

const mail = { emailFrom: "a@example.com", emailTo: "b@example.com", subject: "Hello" };

const sendgridPlaces = ["the subject", "a recipient", "a name", "the template", "the HTML"];

testHostileValues(sendgrid, sendgridPlaces, async () => {
  const server = await startSendgrid();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  const place = (
    field: string,
    read: (mail: (typeof server.mails)[number]) => unknown,
    more: Partial<HostilePlace> & { with?: Record<string, string> } = {},
  ): HostilePlace => ({
    send: (output, value) =>
      output.invoke("create", { ...more.with, [field]: value }, { data: "x" }),
    arrived: async () => server.mails.splice(0).map((one) => String(read(one))),
    ...more,
  });
  return {
    properties: { apiKey, apiUrl: server.url, ...mail },
    places: {
      "the subject": place("subject", ({ personalizations: [one] }) => one?.subject),
      "a recipient": place(
        "emailTo",
        ({ personalizations: [one] }) => one?.to.map(({ email }) => email),
        { harmless: "ann@example.com" },
      ),
      "a name": place(
        "emailToName",
        ({ personalizations: [one] }) => one?.to.map(({ name }) => name),
        { with: { emailTo: "ann@example.com" } },
      ),
      "the template": place("dynamicTemplateId", (one) => one["template_id"]),
      "the HTML": {
        send: (output, data) => output.invoke("create", {}, { data }),
        arrived: async () =>
          server.mails.splice(0).map(({ content }) => String(content?.[0]?.value)),
      },
    },
  };
});

testHostileValues(postmark, ["the subject", "the recipients", "the HTML"], async () => {
  const server = await startPostmark();
  endAfterTest(async () => server[Symbol.asyncDispose]());
  const arrivedIn = (member: string) => async () =>
    server.mails.splice(0).map((one) => String(one[member]));
  return {
    properties: { serverToken, apiUrl: server.url, ...mail },
    places: {
      "the subject": {
        send: (output, subject) => output.invoke("create", { subject }, { data: "x" }),
        arrived: arrivedIn("Subject"),
      },
      "the recipients": {
        send: (output, emailTo) => output.invoke("create", { emailTo }, { data: "x" }),
        arrived: arrivedIn("To"),
        harmless: "ann@example.com",
      },
      "the HTML": {
        send: (output, data) => output.invoke("create", {}, { data }),
        arrived: arrivedIn("HtmlBody"),
      },
    },
  };
});
