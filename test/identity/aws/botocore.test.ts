import { createHash } from "node:crypto";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { pathOfKey, percentEncoded } from "../../../src/bindings/aws/aws.s3/names.ts";
import { loadSigning, presignedPath, signedHeaders } from "../../../src/identity/aws/signing.ts";
import { signedByBotocore } from "../../servers/botocore.ts";
import type { Wish } from "../../servers/botocore.ts";

const date = "20260131T100000Z";
const lasting = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYE" };
const temporary = { ...lasting, sessionToken: "to/ken+of== a&b=" };

/** Keys of objects, each with something that must not be written as it is. */
const objectKeys = [
  "orders/1.json",
  "a b+c%20d",
  "!'()*~-_.$&,:;=@",
  "?x=1#y",
  "a//b/",
  "/leading",
  "ü日本語/\u{1f600}.txt",
  'quote"<>[]{}|\\^`',
  "tab\tand\u0001",
];

type Case = {
  readonly title: string;
  readonly service: string;
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
};

const s3 = { service: "s3", host: "shop.s3.eu-central-1.amazonaws.com" };
const json = (service: string, target: string, body: string): Case => ({
  ...{ title: `${service} ${target}`, service, host: `${service}.eu-central-1.amazonaws.com` },
  ...{ method: "POST", path: "/", body },
  headers: { "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target },
});
const form = (service: string, host: string, fields: Record<string, string>): Case => ({
  ...{ title: `${host} ${fields["Action"]}`, service, host: `${host}.eu-central-1.amazonaws.com` },
  ...{ method: "POST", path: "/", body: new URLSearchParams(fields).toString() },
  headers: { "Content-Type": "application/x-www-form-urlencoded; charset=utf-8" },
});
const md5 = (text: string): string => createHash("md5").update(text).digest("base64");
const oddText = 'grün & "x" = 1+1\n\u{1f600}';

const cases: readonly Case[] = [
  ...objectKeys.flatMap((key) => [
    { ...s3, title: `get ${JSON.stringify(key)}`, method: "GET", path: `/${pathOfKey(key)}` },
    {
      ...{ ...s3, title: `put ${JSON.stringify(key)}`, method: "PUT", path: `/${pathOfKey(key)}` },
      headers: {
        "Content-Type": "text/plain",
        "x-amz-meta-a": "  two   words ",
        "x-amz-tagging": "a=b%20c",
      },
      body: oddText,
    },
    {
      ...{ ...s3, title: `a version of ${JSON.stringify(key)}`, method: "DELETE" },
      path: `/${pathOfKey(key)}?versionId=${percentEncoded("null+/=")}`,
      headers: { "If-Match": '"etag"' },
    },
    {
      ...{ ...s3, title: `the keys that begin with ${JSON.stringify(key)}`, method: "GET" },
      path: `/?list-type=2&prefix=${percentEncoded(key)}&delimiter=%2F&max-keys=1000&start-after=${percentEncoded(key)}`,
    },
    {
      ...{ ...s3, title: `a copy of ${JSON.stringify(key)}`, method: "PUT", path: "/copy" },
      headers: {
        "x-amz-copy-source": `/shop/${pathOfKey(key)}`,
        "x-amz-copy-source-if-match": '"e"',
      },
    },
  ]),
  { ...s3, title: "tags", method: "GET", path: "/a?tagging" },
  { ...s3, title: "the begin of parts", method: "POST", path: "/a?uploads" },
  {
    ...s3,
    title: "a part",
    method: "PUT",
    path: `/a?partNumber=1&uploadId=${percentEncoded("u+/=.~")}`,
    body: "x",
  },
  {
    ...s3,
    title: "many deletions",
    method: "POST",
    path: "/?delete",
    headers: { "Content-MD5": md5("<a/>"), "Content-Type": "application/xml" },
    body: "<a/>",
  },
  {
    ...s3,
    title: "a bucket in the path",
    host: "127.0.0.1:9000",
    method: "GET",
    path: "/shop/a%20b",
  },
  json("sqs", "AmazonSQS.SendMessage", JSON.stringify({ MessageBody: oddText })),
  json("dynamodb", "DynamoDB_20120810.PutItem", JSON.stringify({ Item: { a: { S: oddText } } })),
  form("sns", "sns", { Action: "Publish", Message: oddText, Version: "2010-03-31" }),
  form("ses", "email", {
    Action: "SendRawEmail",
    "RawMessage.Data": "YQ==",
    Version: "2010-12-01",
  }),
  form("sts", "sts", { Action: "AssumeRole", RoleArn: "arn:aws:iam::1:role/a/b+c" }),
];

const all = cases.flatMap((one) => [
  { ...one, keys: lasting, who: "keys" },
  { ...one, keys: temporary, who: "temporary keys" },
]);

describe("a request is signed as AWS's own library for Python signs it", () => {
  let expected: readonly string[];
  let ours: readonly (readonly [authorization: string, wish: Wish])[];
  beforeAll(async () => {
    const sign = await loadSigning();
    ours = all.map(({ keys, service, host, method, path, headers = {}, body }) => {
      const { Authorization: authorization, ...signed } = signedHeaders(
        sign,
        {
          service,
          region: "eu-central-1",
          host,
          method,
          path,
          body,
          headers: { ...headers, "X-Amz-Date": date },
        },
        keys,
      );
      // The library adds its own, and the host is part of the URL.
      const own = /^(host|x-amz-(date|content-sha256|security-token))$/i;
      const sent = Object.entries(signed).filter(([name]) => !own.test(name));
      return [
        String(authorization),
        {
          ...{ kind: "header", keys, region: "eu-central-1", date, service, method },
          ...{ url: `https://${host}${path}`, ...(body === undefined ? {} : { body }) },
          headers: Object.fromEntries(sent.map(([name, value]) => [name, String(value)])),
        },
      ];
    });
    expected = await signedByBotocore(ours.map(([, wish]) => wish));
  });

  test.each(all.map(({ title, who }, index) => [`${title}, by ${who}`, index] as const))(
    "%s",
    (_title, index) => {
      expect(ours[index]?.[0]).toBe(expected[index]);
    },
  );
});

test("a presigned URL is the one that AWS's own library for Python makes", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  try {
    vi.setSystemTime("2026-01-31T10:00:00Z");
    const wanted = [lasting, temporary].flatMap((keys) => [
      ...objectKeys.map((key) => ({ ...s3, keys, path: `/${pathOfKey(key)}`, expires: 60 })),
      {
        ...{ service: "kafka-cluster", host: "kafka.eu-central-1.amazonaws.com", keys },
        ...{ path: "/?Action=kafka-cluster%3AConnect", expires: 900 },
      },
    ]);
    const expected = await signedByBotocore(
      wanted.map(({ service, host, path, keys, expires }) => ({
        ...{ kind: "presign", keys, region: "eu-central-1", date, service, expires },
        ...{ method: "GET", url: `https://${host}${path}` },
      })),
    );
    for (const [index, { keys, ...one }] of wanted.entries()) {
      const path = await presignedPath({ ...one, region: "eu-central-1" }, keys, () => undefined);
      const [made, theirs] = [
        new URL(`https://${one.host}${path}`),
        new URL(expected[index] ?? ""),
      ];
      expect(made.pathname).toBe(theirs.pathname);
      expect(Object.fromEntries(made.searchParams)).toEqual(
        Object.fromEntries(theirs.searchParams),
      );
    }
  } finally {
    vi.useRealTimers();
  }
});
