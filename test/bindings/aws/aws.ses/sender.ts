import { uniqueName } from "../../../servers/unique-name.ts";
import { emulatorLogin } from "../emulator-client.ts";

type Mail = {
  readonly source: string;
  readonly subject: string;
  readonly body: string;
  readonly destinations: Readonly<Record<string, readonly string[]>>;
};

/** A sender of its own that is verified, and what it has sent. */
export async function makeSender(server: { readonly url: string }) {
  const emailFrom = `${uniqueName("shop").replaceAll(/[^\w-]/g, "-")}@example.org`;
  const response = await fetch(server.url, {
    method: "POST",
    headers: {
      authorization:
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ses/aws4_request, SignedHeaders=host, Signature=0",
      "content-type": "application/x-www-form-urlencoded",
    },
    body: new URLSearchParams({
      ...{ Action: "VerifyEmailIdentity", Version: "2010-12-01" },
      EmailAddress: emailFrom,
    }),
  });
  if (!response.ok) throw new Error(await response.text());
  let seen = 0;
  const sent = async (): Promise<Mail[]> => {
    const answer = await fetch(`${server.url}/moto-api/data.json`);
    const { ses } = (await answer.json()) as { ses: { Message: Mail[] } };
    return ses.Message.filter(({ source }) => source.includes(emailFrom));
  };
  return {
    emailFrom,
    properties: {
      ...emulatorLogin(server.url),
      emailFrom,
      emailTo: "ann@example.org",
      subject: "News",
    },
    sent,
    /** What was sent since the last time that it was asked. */
    async arrived(): Promise<Mail[]> {
      const all = await sent();
      const fresh = all.slice(seen);
      seen = all.length;
      return fresh;
    },
  };
}
