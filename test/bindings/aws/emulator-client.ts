/** Another program's calls of an emulator, which looks at no signature. */
export function emulatorClient(url: string, service: "sqs" | "sns" | "kinesis" | "dynamodb") {
  const authorization = `AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`;
  return async <Answer>(target: string, input: object): Promise<Answer> => {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        authorization,
        "x-amz-date": "20260101T000000Z",
        "content-type": `application/x-amz-json-1.${service === "kinesis" ? 1 : 0}`,
        "x-amz-target": target,
      },
      body: JSON.stringify(input),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${target}: ${response.status} ${text}`);
    return (text === "" ? {} : JSON.parse(text)) as Answer;
  };
}

/** The metadata with which a component asks it. */
export function emulatorLogin(url: string): Record<string, string> {
  return { endpoint: url, region: "us-east-1", accessKey: "test", secretKey: "test-secret" };
}
