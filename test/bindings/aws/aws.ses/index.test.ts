import { expect, test } from "vitest";
import ses from "../../../../src/bindings/aws/aws.ses/index.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { openOutput } from "../../opened-output.ts";
import { emulatorLogin } from "../emulator-client.ts";
import { scriptedHttp } from "../scripted-http.ts";
import { makeSender } from "./sender.ts";

// Its mails are read among all that a moto knows, which other tests fill with what is no JSON.
describeWith("moto", { own: true }, (server) => {
  test("create sends a mail to all whom component and call name, and answers nothing", async () => {
    const sender = await makeSender(server);
    await using output = await openOutput(ses, { ...sender.properties, emailCc: "c@example.org" });
    const metadata = {
      emailTo: 'ann@example.org; "Doe, Bob" <bob@example.org>;',
      EMAILBCC: "d@example.org",
      Subject: "Grüße",
    };
    const data = JSON.stringify("<p>grün &amp; 😀\n</p>");
    expect(await output.invoke("create", metadata, { data })).toBeUndefined();
    await output.invoke("create", {}, { data: `"next"` });
    expect(await sender.arrived()).toMatchObject([
      {
        source: sender.emailFrom,
        subject: "Grüße",
        body: "<p>grün &amp; 😀\n</p>",
        destinations: {
          ToAddresses: ["ann@example.org", '"Doe, Bob" <bob@example.org>'],
          CcAddresses: ["c@example.org"],
          BccAddresses: ["d@example.org"],
        },
      },
      // What a call says is said for it alone.
      { subject: "News", destinations: { ToAddresses: ["ann@example.org"] } },
    ]);
  });

  test.each([
    ["a JSON text", '"<b>a\\u00e9</b>"', "<b>aé</b>"],
    ["what JSON escapes and Go does not", '"a\\/\\ud83d\\ude00"', "a/😀"],
    ["a text of Go", "`<b>\\n</b>`", "<b>\\n</b>"],
    ["HTML as it is", '<a href="x">', '<a href="x">'],
    ["a beginning quote alone", '"Hello" she said', '"Hello" she said'],
    ["nothing", "", ""],
  ])("the body may be %s", async (_what, data, body) => {
    const sender = await makeSender(server);
    await using output = await openOutput(ses, sender.properties);
    await output.invoke("create", {}, { data });
    expect(await sender.arrived()).toMatchObject([{ body }]);
  });

  test("a sender that is not verified is refused in the words of SES", async () => {
    const sender = await makeSender(server);
    const properties = { ...sender.properties, emailFrom: "nobody@example.com" };
    await using output = await openOutput(ses, properties);
    await expect(output.invoke("create", {}, { data: "x" })).rejects.toMatchObject({
      reason: "invalid_argument",
      systemCode: "MessageRejected",
      message: expect.stringContaining(
        "SES binding error. Sending email failed: operation error SES: SendEmail, ",
      ) as string,
    });
  });
});

const mail = { emailFrom: "a@example.org", emailTo: "b@example.org", subject: "s" };

test.each([
  ["no sender", { emailFrom: "" }, "emailFrom property not supplied in configuration- or"],
  ["no recipient", { emailTo: "" }, "emailTo property not supplied in configuration- or"],
  ["recipients that are none", { emailTo: " ; " }, "emailTo names nobody"],
  ["no subject", { subject: "" }, "subject property not supplied in configuration- or"],
  ["a line break in the subject", { subject: "a\r\nBcc: b@x.org" }, "subject has a line break"],
  ["a line break in an address", { emailCc: "a@b.c\nBcc: b@x.org" }, "emailCc"],
  ["two addresses in one", { emailBcc: "a@b.c, d@e.f" }, "emailBcc"],
  ["two addresses in one with a name", { emailBcc: "A <a@b.c>, D <d@e.f>" }, "emailBcc"],
  ["two senders", { emailFrom: "a@b.c;d@e.f" }, "emailFrom"],
])("create refuses %s before anything is sent", async (_what, metadata, why) => {
  let sent = 0;
  await using service = await scriptedHttp((body) => {
    if (new URLSearchParams(body).get("Action") === "SendEmail") sent++;
    return { body: "<Response/>" };
  });
  await using output = await openOutput(ses, { ...emulatorLogin(service.url), ...mail });
  await expect(output.invoke("create", metadata, { data: "x" })).rejects.toMatchObject({
    reason: "invalid_argument",
    effect: "unsent",
    message: expect.stringMatching(`^SES binding error: .*${why}`) as string,
  });
  expect(sent).toBe(0);
});

test("who may only send, sends", async () => {
  let sent = 0;
  await using service = await scriptedHttp((body) => {
    const isSent = new URLSearchParams(body).get("Action") === "SendEmail";
    if (isSent) sent++;
    if (isSent) return { body: "<SendEmailResponse><SendEmailResult/></SendEmailResponse>" };
    const error = "<Error><Code>AccessDenied</Code><Message>not you</Message></Error>";
    return { status: 403, body: `<ErrorResponse>${error}</ErrorResponse>` };
  });
  await using output = await openOutput(ses, { ...emulatorLogin(service.url), ...mail });
  await output.ping();
  await output.invoke("create", {}, { data: "x" });
  expect(sent).toBe(1);
});
