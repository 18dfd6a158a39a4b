import { expect, test } from "vitest";
import sns from "../../../../src/bindings/aws/aws.sns/index.ts";
import { goText } from "../../../../src/bindings/aws/aws.sns/payload.ts";
import { describeWith } from "../../../servers/describe-with.ts";
import { openOutput } from "../../opened-output.ts";
import { scriptedHttp } from "../scripted-http.ts";
import { emulatorLogin } from "../emulator-client.ts";
import { makeTopic } from "./topic.ts";

const topicArn = "arn:aws:sns:us-east-1:123456789012:orders";

describeWith("moto", (server) => {
  test("create publishes message and subject, with attributes, and answers nothing", async () => {
    const topic = await makeTopic(server);
    await using output = await openOutput(sns, topic.properties);
    const data = JSON.stringify({ message: "grün\n😀", subject: "News" });
    const metadata = { "attribute:region": "eü" };
    expect(await output.invoke("create", metadata, { data })).toBeUndefined();
    expect(await topic.arrived()).toMatchObject([
      {
        Message: "grün\n😀",
        Subject: "News",
        MessageAttributes: { region: { Type: "String", Value: "eü" } },
      },
    ]);
  });

  test.each([
    ["text that is no JSON", "hello", "no JSON"],
    ["a list", "[1]", "no JSON object"],
    ["no message", `{"subject":"x"}`, "no message"],
    ["bytes that are no text", Uint8Array.of(0xff), "is not UTF-8"],
    ["a line break in the subject", `{"message":"x","subject":"a\\nBcc: b"}`, "the subject"],
    ["a character that it does not carry", `{"message":"\\u0000"}`, "does not carry"],
  ])("create refuses %s before anything is sent", async (_what, data, why) => {
    const topic = await makeTopic(server);
    await using output = await openOutput(sns, topic.properties);
    await expect(output.invoke("create", {}, { data })).rejects.toMatchObject({
      reason: "invalid_argument",
      message: expect.stringContaining(why) as string,
    });
    expect(await topic.arrived()).toEqual([]);
  });

  test("a topic that is not there is told when it is opened", async () => {
    const properties = { ...emulatorLogin(server.url), topicArn: `${topicArn}-none` };
    await expect(openOutput(sns, properties)).rejects.toMatchObject({ reason: "not_found" });
  });
});

test.each([
  [1_000_000, "1e+06"],
  [123_456, "123456"],
  [123_456_789, "1.23456789e+08"],
  [0.0001, "0.0001"],
  [0.000_01, "1e-05"],
  [-1.5, "-1.5"],
  [-0, "-0"],
  [{ b: 1, a: [true, null, "x y"] }, "map[a:[true <nil> x y] b:1]"],
])("%j is printed as Go does: %s", (value, text) => {
  expect(goText(value)).toBe(text);
});

test("who may only publish, publishes", async () => {
  await using service = await scriptedHttp((body) => {
    if (new URLSearchParams(body).get("Action") === "Publish")
      return { body: "<PublishResponse><PublishResult/></PublishResponse>" };
    const error = "<Error><Code>AuthorizationError</Code><Message>not you</Message></Error>";
    return { status: 403, body: `<ErrorResponse>${error}</ErrorResponse>` };
  });
  await using output = await openOutput(sns, { ...emulatorLogin(service.url), topicArn });
  await output.ping();
  await output.invoke("create", {}, { data: `{"message":"x"}` });
});
