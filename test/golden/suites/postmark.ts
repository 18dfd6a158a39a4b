import { serverToken, startPostmark } from "../../servers/postmark.ts";
import { inPlaceOf } from "../in-place-of.ts";
import type { Call, Suite } from "../suite.ts";

/** With the stand-in of the tests in Postmark's place. */
export const postmark: Suite = {
  name: "postmark",
  servers: [],
  async prepare({ road }) {
    const place = await inPlaceOf(["api.postmarkapp.com"], startPostmark);
    const { standIn, environment, caCert } = place;
    const mail = { emailFrom: "shop@example.com", emailTo: "ann@example.com", subject: "Order" };
    const tokens = { serverToken, accountToken: "account" };
    const component = (name: string, metadata: Record<string, string>) => ({
      ...{ name, type: "bindings.postmark", metadata: { ...tokens, caCert, ...metadata } },
    });
    // What Postmark was sent is an answer, too: the mail stands in its words of refusal.
    const call =
      (echo: boolean) =>
      (
        name: string,
        metadata: Record<string, string> = {},
        more: { data?: unknown; binding?: string; operation?: string } = {},
      ): Call => ({
        ...{ name, binding: "mails", operation: "create", metadata, data: '"<p>Hello</p>"' },
        ...more,
        before: () => {
          standIn.state.echo = echo;
        },
      });
    const [one, echo] = [call(false), call(true)];
    const to = "c@example.com";
    return {
      environment,
      components: [
        component("mails", mail),
        component("bare", {}),
        component("stranger", { ...mail, serverToken: "another" }),
      ],
      calls: [
        one("create"),
        echo("what is sent"),
        echo("what a call says", {
          ...{ emailFrom: "b@example.com", emailTo: "c@example.com,d@example.com" },
          ...{ subject: "Own", emailCc: "e@example.com", emailBcc: "f@example.com" },
        }),
        echo("other letters", { emailto: to, subject: "" }),
        // Over HTTP it has quotes.
        ...(road === "grpc" ? [echo("a text without quotes", {}, { data: "<p>Hello</p>" })] : []),
        echo("an object", {}, { data: { a: 1 } }),
        one("no sender", { emailTo: to }, { binding: "bare" }),
        one("no recipient", { emailFrom: to }, { binding: "bare" }),
        one("no subject", { emailFrom: to, emailTo: to }, { binding: "bare" }),
        one("an address that is none", { emailTo: "nobody" }),
        one("a sender who is not known", { emailFrom: "stranger@example.com" }),
        one("a token that is none", {}, { binding: "stranger" }),
        one("an operation that is not there", {}, { operation: "get" }),
      ],
      close: () => place.close(),
    };
  },
};
