import { apiKey, startSendgrid } from "../../servers/sendgrid.ts";
import { inPlaceOf } from "../in-place-of.ts";
import type { Call, Suite } from "../suite.ts";

/** With the stand-in of the tests in SendGrid's place. */
export const twilioSendgrid: Suite = {
  name: "twilio.sendgrid",
  servers: [],
  async prepare() {
    const place = await inPlaceOf(["api.sendgrid.com"], startSendgrid);
    const { standIn, environment, caCert } = place;
    const mail = { emailFrom: "shop@example.com", emailTo: "ann@example.com", subject: "Order" };
    const component = (name: string, metadata: Record<string, string>) => ({
      ...{ name, type: "bindings.twilio.sendgrid", metadata: { apiKey, caCert, ...metadata } },
    });
    const one = (
      name: string,
      metadata: Record<string, string> = {},
      data: unknown = "<p>Hello</p>",
      binding = "mails",
    ): Call => ({ ...{ name, binding, operation: "create", metadata, data } });
    // What SendGrid was sent is an answer, too: the last mail stands in its words of refusal.
    const echo = (name: string, metadata: Record<string, string> = {}, data?: unknown): Call => ({
      ...one(name, metadata, data),
      before: () => {
        standIn.state.echo = true;
      },
    });
    const plainly = (call: Call): Call => ({
      ...call,
      before: () => {
        standIn.state.echo = false;
      },
    });
    return {
      environment,
      components: [
        component("mails", mail),
        component("bare", {}),
        component("named", { ...mail, emailFromName: "The Shop", emailToName: "Ann" }),
        component("stranger", { ...mail, apiKey: "SG.another" }),
      ],
      calls: [
        plainly(one("create")),
        echo("what is sent"),
        echo("what a call says", {
          ...{ emailFrom: "b@example.com", emailFromName: "B", emailTo: "c@example.com" },
          ...{ emailToName: "C", subject: "Own", emailCc: "d@example.com" },
          ...{ emailBcc: "e@example.com", dynamicTemplateId: "d-1" },
          dynamicTemplateData: '{"a":{"b":[1,true,null]}}',
        }),
        echo("other letters", { emailto: "c@example.com", subject: "" }),
        { ...echo("an own address", { emailTo: "c@example.com" }), binding: "named" },
        echo("names without addresses", { emailToName: "C", emailFromName: "D" }),
        echo("a text with quotes", {}, '"<p>\\"1\\"</p>"'),
        echo("an object", {}, { a: 1 }),
        plainly(one("no sender", { emailTo: "c@example.com" }, "x", "bare")),
        plainly(one("no recipient", { emailFrom: "c@example.com" }, "x", "bare")),
        plainly(
          one("no subject", { emailFrom: "c@example.com", emailTo: "c@example.com" }, "x", "bare"),
        ),
        plainly(one("template data that are none", { dynamicTemplateData: "[1]" })),
        plainly(one("an address that is none", { emailTo: "nobody" })),
        plainly(one("two addresses", { emailTo: "a@example.com,b@example.com" })),
        plainly(one("a key that is none", {}, "x", "stranger")),
        plainly({ ...one("an operation that is not there"), operation: "get" }),
      ],
      close: () => place.close(),
    };
  },
};
