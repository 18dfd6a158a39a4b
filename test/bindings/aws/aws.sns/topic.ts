import { uniqueName } from "../../../servers/unique-name.ts";
import { makeQueue } from "../aws.sqs/contract-source.ts";
import { emulatorLogin } from "../emulator-client.ts";

type Envelope = {
  readonly Message: string;
  readonly Subject?: string;
  readonly MessageAttributes?: Record<string, { Type: string; Value: string }>;
};

/** A topic of its own, with a queue that is subscribed to it. */
export async function makeTopic(server: { readonly url: string }) {
  const queue = await makeQueue(server);
  const call = async (form: Record<string, string>): Promise<string> => {
    const response = await fetch(server.url, {
      method: "POST",
      headers: {
        authorization:
          "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sns/aws4_request, SignedHeaders=host, Signature=0",
        "content-type": "application/x-www-form-urlencoded",
      },
      body: new URLSearchParams({ Version: "2010-03-31", ...form }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(text);
    return text;
  };
  const Name = uniqueName("orders").replaceAll(/[^\w-]/g, "-");
  const created = await call({ Action: "CreateTopic", Name });
  const topicArn = /<TopicArn>(.*?)<\/TopicArn>/.exec(created)?.[1] ?? "";
  const { Attributes } = await queue.call<{ Attributes: { QueueArn: string } }>(
    "GetQueueAttributes",
    { AttributeNames: ["QueueArn"] },
  );
  await call({
    ...{ Action: "Subscribe", TopicArn: topicArn, Protocol: "sqs" },
    Endpoint: Attributes.QueueArn,
  });
  return {
    topicArn,
    properties: { ...emulatorLogin(server.url), topicArn },
    /** What has come to the queue since. */
    async arrived(): Promise<Envelope[]> {
      return (await queue.take()).map(({ Body }) => JSON.parse(Body) as Envelope);
    },
  };
}
