import type { Answer } from "./ask.ts";
import type { SeenEvent } from "./app.ts";

/** Where Cufflink answers otherwise than daprd on purpose. */
export type Difference = {
  readonly suite: string;
  /** The calls that it is about. */
  readonly calls: readonly string[];
  /** What docs/dapr-differences.md says of it, word by word. */
  readonly documented: string;
  /** What Cufflink answers, made of what daprd did. */
  readonly ours: (daprd: Answer) => Answer;
};

const noPoint = "error invoking output binding influx: influx error: Cannot convert request data";

const sftpFailed = "error invoking output binding files: sftp binding error:";

const aws = "error invoking output binding aws:";

const sentNotification = `{"messageID":"5A1B6C2D-0000-4000-8000-000000000001"}\n`;

const shop = "error invoking output binding shop: commercetools error:";

const users = "error invoking output binding users:";

const rows = "error invoking output binding rows: tablestore:";

export const differences: readonly Difference[] = [
  {
    suite: "alicloud.oss",
    calls: ["an operation that is not there"],
    documented: "`get` returns an object. Dapr has `create` alone",
    ours: says("error invoking output binding objects: key is required: name the object to read"),
  },
  {
    suite: "alicloud.tablestore",
    calls: ["get without the columns' names"],
    documented: "Without `columnToGet` all columns are answered",
    ours(daprd) {
      const data = `{"customer":"ada","note":"new","order":"1","paid":false,"total":13}`;
      const times = { duration: "{duration}", "end-time": "{time}", "start-time": "{time}" };
      if ("code" in daprd) return { code: 0, data, metadata: times };
      const metadata = Object.fromEntries(
        Object.entries(times).map(([name, value]) => [`metadata.${name}`, value]),
      );
      return { status: 200, contentType: "application/json", metadata, body: data };
    },
  },
  {
    suite: "alicloud.tablestore",
    calls: ["list of what is no list"],
    documented: "What is wrong with the data is told in this runtime's words",
    ours: says(`${rows} the data are no list of JSON objects`),
  },
  {
    suite: "alicloud.tablestore",
    calls: ["what is no JSON"],
    documented: "What is wrong with the data is told in this runtime's words",
    // Over HTTP they are JSON: a text.
    ours: (daprd) => says(`${rows} the data are no JSON${"code" in daprd ? "" : " object"}`)(daprd),
  },
  {
    suite: "apns",
    calls: ["for development"],
    documented: "Components of one key share a token",
    ours: (daprd) =>
      "code" in daprd
        ? { code: 0, data: sentNotification }
        : { status: 200, contentType: "application/json", body: sentNotification },
  },
  {
    suite: "commercetools",
    calls: ["a client that is none"],
    documented: "What commercetools says follows the text of a failure",
    ours: goesOn(
      ": no token from auth.europe-west1.gcp.commercetools.com: HTTP 401: invalid_client",
    ),
  },
  {
    suite: "commercetools",
    calls: ["a document that is none"],
    documented: "What commercetools says follows the text of a failure",
    ours: goesOn(': Cannot query field "nothing" on type "Query".'),
  },
  {
    suite: "commercetools",
    calls: ["another project"],
    documented: "What commercetools says follows the text of a failure",
    ours: goesOn(": insufficient_scope: The token has no scope of that project."),
  },
  {
    suite: "commercetools",
    calls: ["a refused mutation"],
    documented: "Errors of GraphQL are errors of the call",
    ours: fails(
      `${shop} Error executing the provided GraphQL query: ResourceNotFound: The Resource with ID '9' was not found.`,
    ),
  },
  {
    suite: "commercetools",
    calls: ["another API"],
    documented: "Another `commercetoolsAPI` is refused",
    ours: fails(`${shop} the API "Other" is not known; GraphQLQuery is`),
  },
  {
    suite: "commercetools",
    calls: ["what is no JSON"],
    documented: "What is wrong with the data is told in this runtime's words",
    // Over HTTP they are JSON: a text.
    ours: (daprd) => says(`${shop} the data are no JSON${"code" in daprd ? "" : " object"}`)(daprd),
  },
  {
    suite: "postmark",
    calls: ["a text without quotes"],
    documented: "Data without quotes are sent as they are",
    ours: says(sentMail("<p>Hello</p>")),
  },
  {
    suite: "postmark",
    calls: ["an object"],
    documented: "Data without quotes are sent as they are",
    ours: says(sentMail(`{"a":1}`)),
  },
  {
    suite: "twilio.sendgrid",
    calls: ["template data that are none"],
    documented: "What is wrong with `dynamicTemplateData` is told in this runtime's words",
    ours: says(
      "error invoking output binding mails: error from SendGrid binding, dynamic template data is not valid JSON: it is no object",
    ),
  },
  {
    suite: "azure.cosmosdb",
    calls: ["create of one that is there"],
    documented: "The texts of failures are Cosmos DB's code and first sentence",
    ours: says(
      "error invoking output binding documents: Cosmos DB: Conflict: Resource with specified id already exists.",
    ),
  },
  {
    suite: "aws.dynamodb",
    calls: ["what is no JSON"],
    documented: "Data that are JSON but no object are refused before anything is sent",
    // Over HTTP they are JSON: a text.
    ours: (daprd) =>
      says(
        `${aws} dynamodb binding error: the data are no JSON${"code" in daprd ? "" : " object"}`,
      )(daprd),
  },
  {
    suite: "aws.sns",
    calls: ["what is no JSON"],
    documented: "What is wrong with the data is told in this runtime's words",
    ours: (daprd) => says(`${aws} the data are no JSON${"code" in daprd ? "" : " object"}`)(daprd),
  },
  {
    suite: "aws.ses",
    calls: ["of somebody who is not verified"],
    documented: "`api error` stands before each code of SES",
    ours: says(
      `${aws} SES binding error. Sending email failed: operation error SES: SendEmail, https response error StatusCode: 400, RequestID: {request}, api error MessageRejected: Email address not verified no@example.org`,
    ),
  },
  {
    suite: "aws.s3",
    calls: ["create of what is no base64"],
    documented: "What is wrong with the data is told in this runtime's words",
    ours: says(`${aws} s3 binding error: uploading failed: the data is no base64`),
  },
  {
    suite: "aws.s3",
    calls: ["list of what is no JSON"],
    documented: "What is wrong with the data is told in this runtime's words",
    ours: (daprd) => {
      const why =
        "code" in daprd
          ? `SyntaxError: Unexpected token 'e', "text" is not valid JSON`
          : "it is no object";
      return says(`${aws} s3 binding (List Operation) - unable to parse Data property - ${why}`)(
        daprd,
      );
    },
  },
  {
    suite: "aws.s3",
    calls: ["presign for a time that is none"],
    documented: "`presignTTL` may be a number of seconds",
    ours(daprd) {
      const data = `{"presignURL":"http://{server}/{bucket}/x?{signature}"}`;
      if ("code" in daprd) return { code: 0, data };
      return { status: 200, contentType: "application/json", body: data };
    },
  },
  {
    suite: "smtp",
    calls: ["an operation that is not there"],
    documented: "`send`, with attachments, is ours",
    ours: goesOn(" send"),
  },
  {
    suite: "api",
    calls: ["a body beyond the limit"],
    documented: "400 with a message that names the limit and the size",
    ours: goesOn(": the body has 4194334 bytes, the limit is 4194304; see --max-body-size"),
  },
  {
    suite: "api",
    calls: ["a message beyond the limit"],
    documented: "The same words, with `; see --max-body-size` behind them",
    ours: goesOn("; see --max-body-size"),
  },
  {
    suite: "api",
    calls: ["a message that is cut"],
    documented: "A message that is cut is INTERNAL",
    ours: () => ({ code: 13, message: "the request ends within a message" }),
  },
  {
    suite: "api",
    calls: ["no message"],
    documented: "no message and two messages in a unary call are UNIMPLEMENTED",
    ours: () => ({ code: 12, message: "a unary call takes one message, and none came" }),
  },
  {
    suite: "api",
    calls: ["two messages"],
    documented: "no message and two messages in a unary call are UNIMPLEMENTED",
    ours: () => ({ code: 12, message: "a unary call takes one message, not several" }),
  },
  {
    suite: "api",
    calls: ["a method that is not there"],
    documented: "Unknown gRPC methods: UNKNOWN, of service invocation",
    ours: () => ({
      code: 12,
      message:
        "unknown method /dapr.proto.runtime.v1.Dapr/NoSuch: it is not part of Cufflink, which has Dapr's bindings alone",
    }),
  },
  {
    suite: "api",
    calls: ["junk behind the JSON"],
    documented: "What comes behind the JSON value is ignored",
    ours: refuses(400, "invalid character 'j' after top-level value"),
  },
  {
    suite: "api",
    calls: ["a second value behind the JSON"],
    documented: "What comes behind the JSON value is ignored",
    ours: refuses(400, "invalid character '{' after top-level value"),
  },
  ...[
    { calls: ["no UTF-8 in the operation"], at: 16 },
    { calls: ["no UTF-8 in metadata"], at: 44 },
    { calls: ["no UTF-8 in the data"], at: 59 },
  ].map(({ calls, at }) => ({
    ...{ suite: "api", calls },
    documented: "A body that is no UTF-8 is read as other text",
    ours: refuses(
      400,
      `invalid UTF-8: byte 0xff at offset ${at}; send bytes in base64, or by gRPC`,
    ),
  })),
  {
    suite: "api",
    calls: ["what was stored of it"],
    documented: "A body that is no UTF-8 is read as other text",
    ours: fails("error invoking output binding files: file not found: {folder}/root/u"),
  },
  {
    suite: "api",
    calls: ["a compressed body"],
    documented: "`content-encoding` is ignored",
    ours: refuses(
      415,
      `the body is compressed (content-encoding "gzip"); send it as it is, or call gRPC or Connect, which take gzip`,
    ),
  },
  {
    suite: "dubbo",
    calls: ["a method that is not there"],
    documented: "A failure names the interface, the method and the status.",
    ours: says(`${users} dubbo: shop.Users.nowhere: BAD_REQUEST: no method "nowhere"`),
  },
  {
    suite: "dubbo",
    calls: ["no method"],
    documented: "only names that Dubbo knows are sent",
    ours: says(`${users} dubbo: methodName is no method`),
  },
  {
    suite: "dubbo",
    calls: ["no interface"],
    documented: "only names that Dubbo knows are sent",
    ours: fails(`${users} dubbo: interfaceName is no interface`),
  },
  {
    suite: "dubbo",
    calls: ["an operation that is not there"],
    documented: "The operation `invoke` calls with JSON, and answers JSON.",
    ours: goesOn(" invoke"),
  },
  {
    suite: "graphql",
    calls: ["query order"],
    documented: "`data` keep their order, and numbers all their digits",
    ours: (daprd) => answersData(daprd, '{"b":1,"a":"<"}'),
  },
  {
    suite: "graphql",
    calls: ["query numbers"],
    documented: "`data` keep their order, and numbers all their digits",
    ours: (daprd) => answersData(daprd, '{"long":12345678901234567890}'),
  },
  ...[
    { calls: ["query failed"], status: 500 },
    { calls: ["query unlike"], status: 401 },
  ].map(({ calls, status }) => ({
    ...{ suite: "graphql", calls },
    documented: "An answer with a status other than 2xx is an error",
    ours: fails(
      `error invoking output binding graph: GraphQL Error: graphql: server returned a non-200 status code: ${status}`,
    ),
  })),
  {
    suite: "influx",
    calls: ["a refused point"],
    documented: "InfluxDB's code and message after Dapr's `influx error: Cannot write point`",
    ours: goesOn(": invalid: No."),
  },
  ...[
    { calls: ["no point"], why: "it is no JSON object", text: "it is no JSON" },
    { calls: ["a list"], why: "it is no JSON object", text: undefined },
  ].map(({ calls, why, text }) => ({
    ...{ suite: "influx", calls },
    documented: "What is wrong with a payload follows Dapr's words",
    ours: (daprd: Answer) => goesOn(`: ${"code" in daprd ? (text ?? why) : why}`)(daprd),
  })),
  {
    suite: "influx",
    calls: ["no measurement"],
    documented: "A point without `measurement` or `values` is refused",
    ours: fails(`${noPoint}: it has no measurement`),
  },
  {
    suite: "influx",
    calls: ["what was written without them"],
    documented: "`tags` may be absent",
    ours: (daprd) =>
      answersData(
        daprd,
        'POST /api/v2/write?bucket=a+b&org=shop+%26+co&precision=ns Token t/+ "m c=1"',
      ),
  },
  {
    suite: "influx",
    calls: ["two lines"],
    documented: "a line break outside of a quoted field value is refused",
    ours: fails(`${noPoint}: its values have a line break outside of a quoted text`),
  },
  {
    suite: "http",
    calls: ["a server that says nothing"],
    documented: "What can be done about it follows a semicolon",
    ours: goesOn("; no answer within 200 ms (responseTimeout)"),
  },
  {
    suite: "http",
    calls: ["a caller's deadline that passes"],
    documented: "DEADLINE_EXCEEDED, `context deadline exceeded`",
    ours: () => ({ code: 4, message: "context deadline exceeded" }),
  },
  {
    suite: "http",
    calls: ["a body beyond the limit"],
    documented: "A body cut at `maxResponseBodySize` says `truncated: true` in its metadata",
    ours(daprd) {
      const name = "code" in daprd ? "truncated" : "metadata.truncated";
      return { ...daprd, metadata: { ...daprd.metadata, [name]: "true" } };
    },
  },
  {
    suite: "kafka",
    calls: ["a message that is too large"],
    documented: "What can be done about it follows a semicolon",
    ours: goesOn("; raise maxMessageBytes, and the topic's max.message.bytes, or send less"),
  },
  {
    suite: "kafka",
    calls: ["a message that the broker refuses"],
    documented: "What can be done about it follows a semicolon",
    ours: goesOn("; raise the topic's max.message.bytes, or send less"),
  },
  {
    suite: "kafka",
    calls: ["a topic whose name is none"],
    documented: "What can be done about it follows a semicolon",
    ours: goesOn(
      "; topic no such topic could not be looked up: a topic's name has at most 249 letters, digits, dots, hyphens and _",
    ),
  },
  {
    suite: "localstorage",
    calls: ["get without a name", "delete without a name"],
    documented: "`get` and `delete` need a name, and the root cannot be deleted",
    ours: says("error invoking output binding files: missing fileName in request metadata"),
  },
  {
    suite: "sftp",
    calls: ["create outside the root"],
    documented: "A name cannot lead out of `rootPath`",
    ours: fails(`${sftpFailed} ../{root}-b leads out of rootPath`),
  },
  {
    suite: "sftp",
    calls: ["get outside the root"],
    documented: "A name cannot lead out of `rootPath`",
    ours: says(`${sftpFailed} ../../../../etc/hostname-of-nobody leads out of rootPath`),
  },
  {
    suite: "sftp",
    calls: [
      ...["create without a name", "create where a folder is"],
      ...["get of a folder", "get without a name"],
    ],
    documented: "A folder in the place of a file is named as the reason",
    ours: (daprd) =>
      says(messageOf(daprd).replace('sftp: "Failure" (SSH_FX_FAILURE)', "is a directory"))(daprd),
  },
  {
    suite: "mqtt3",
    calls: ["a topic with a wildcard"],
    documented: "A topic with a wildcard is refused",
    ours: fails(
      `error invoking output binding out: topic "{topic}/#" has a wildcard (+ or #), which is for reading; name one topic in the request's metadata topic`,
    ),
  },
  {
    suite: "mysql",
    calls: ["a local file"],
    documented: "`LOAD DATA LOCAL INFILE` is off",
    ours: fails(
      "error invoking output binding db: error executing query: Error 4166 (HY000): The used command is not allowed because the MariaDB server or client has disabled the local infile capability",
    ),
  },
  {
    suite: "mysql",
    calls: ["params that are an object"],
    documented: "`params` may be an object, for `:name`",
    ours: answersRows('[{"?":1}]', "SELECT :a"),
  },
  {
    suite: "mysql",
    calls: ["an unsigned number that may be null"],
    documented:
      "An unsigned number above 9223372036854775807 in a column that may be NULL is itself",
    ours: answersRows(
      '[{"u":18446744073709551615}]',
      "SELECT NULLIF(CAST(18446744073709551615 AS UNSIGNED), 1) AS u",
    ),
  },
  {
    suite: "mysql",
    calls: ["an error while rows are read"],
    documented: "An error that comes up while rows are read is an error",
    ours: fails(
      "error invoking output binding db: error executing query: Error 1242 (21000): Subquery returns more than 1 row",
    ),
  },
  {
    suite: "mysql",
    calls: ["params that are no JSON"],
    documented: "What is wrong with `params` is told in this runtime's words",
    ours: says(
      `error invoking output binding db: invalid metadata property params: failed to unserialize into an array: Unexpected token 'x', "x" is not valid JSON`,
    ),
  },
  {
    suite: "mysql",
    calls: ["params that are no array"],
    documented: "`params` may be an object",
    ours: says(
      "error invoking output binding db: invalid metadata property params: failed to unserialize into an array: it is neither an array nor an object",
    ),
  },
  {
    suite: "postgres",
    calls: ["a division by zero"],
    documented: "An error that comes up while rows are read is an error",
    ours: fails(
      "error invoking output binding db: error executing query: ERROR: division by zero (SQLSTATE 22012)",
    ),
  },
  {
    suite: "postgres",
    calls: ["an infinite numeric"],
    documented: "An infinite `numeric` is the text `Infinity` or `-Infinity`, not 0",
    ours(daprd) {
      const row = JSON.stringify([["Infinity"]]);
      return "code" in daprd ? { ...daprd, data: row } : { ...daprd, body: row };
    },
  },
  {
    suite: "postgres",
    calls: ["params that are no JSON"],
    documented: "What is wrong with `params` is told in this runtime's words",
    ours: says(
      `error invoking output binding db: invalid metadata property params: failed to unserialize into an array: Unexpected token 'x', "x" is not valid JSON`,
    ),
  },
  {
    suite: "postgres",
    calls: ["params that are no array"],
    documented: "`params` may be an object",
    ours: says(
      "error invoking output binding db: invalid metadata property params: failed to unserialize into an array: it is neither an array nor an object",
    ),
  },
  {
    suite: "wasm",
    calls: ["no data over HTTP"],
    documented:
      "A call without data gives the guest no input. Dapr's HTTP API gives it the text `null`",
    ours: (daprd) => answersData(daprd, ""),
  },
  {
    suite: "wasm",
    calls: ["trapped"],
    documented: "What a guest failed with is told without a trace",
    ours: says("error invoking output binding actor: wasm error: unreachable"),
  },
  {
    suite: "wasm",
    calls: ["divides by zero"],
    documented: "What a guest failed with is told without a trace",
    ours: says("error invoking output binding actor: wasm error: divide by zero"),
  },
  {
    suite: "zeebe.command",
    calls: [
      ...["a failure of what is not there", "a job that is not there"],
      ...["an error of what is not there", "an incident that is not there"],
      ...["an instance to cancel that is not there", "retries of what is not there"],
      "variables of what is not there",
    ],
    documented: "A failure names the key of the call. Dapr writes a place in its memory",
    ours: (daprd) => withText(daprd, (text) => text.replace("key {address}:", "key 1:")),
  },
  {
    suite: "zeebe.command",
    calls: ["a timeout that is none"],
    documented: "A duration that is none is told with its field",
    ours: (daprd) =>
      withText(daprd, (text, quote) =>
        text.replace(
          "time: invalid duration",
          `invalid value ${quote}soon${quote} for field 'timeout' (expected a Go duration string, e.g. ${quote}30s${quote}, ${quote}5m${quote}, ${quote}1h30m${quote}, or a plain integer nanoseconds value): time: invalid duration`,
        ),
      ),
  },
  {
    suite: "zeebe.command",
    calls: ["an instance with its result"],
    documented: "Variables are sent as they were written",
    ours: (daprd) =>
      withText(daprd, (text) => text.replaceAll("\\\\u003cb\\\\u003e", "\\u003cb\\u003e")),
  },
];

/** What the app gets beside what daprd gives it, by suite. */
export const moreMetadata: Readonly<
  Record<
    string,
    {
      readonly documented: string;
      readonly more: (event: SeenEvent) => Readonly<Record<string, string>>;
    }
  >
> = {
  "aws.sqs": {
    documented: "Events have metadata and headers. In Dapr they have none.",
    more: () => ({
      ...{ messageId: "{id}", queueName: "{queue}", receiveCount: "1", senderId: "{sender}" },
      ...{ firstReceiveTimestamp: "{time}", sentTimestamp: "{time}" },
    }),
  },
  "azure.eventhubs": {
    documented: "All annotations of the service, and `x-opt-partition-id`, are metadata",
    more: () => ({ "x-opt-partition-id": "0" }),
  },
  rabbitmq: {
    documented: "An event's metadata also tell its exchange, routing key, properties",
    more: ({ body }) => ({
      ...{ exchange: "", redelivered: "false", routingKey: "{base}-in" },
      ...(body === "text" && { count: "1" }),
      ...(body.startsWith("{") && { contentType: "text/plain" }),
    }),
  },
};

/** The same answer with another text. */
function says(text: string, code?: number): (daprd: Answer) => Answer {
  return (daprd) => {
    if ("code" in daprd) return { ...daprd, code: code ?? daprd.code, message: text };
    const { errorCode } = JSON.parse(daprd.body) as { errorCode: string };
    return { ...daprd, body: goJson({ errorCode, message: text }) };
  };
}

/** The same answer, its text followed by more. */
function goesOn(more: string): (daprd: Answer) => Answer {
  return (daprd) => says(messageOf(daprd) + more)(daprd);
}

function messageOf(daprd: Answer): string {
  if ("code" in daprd) return daprd.message ?? "";
  return (JSON.parse(daprd.body) as { message: string }).message;
}

/** A body that is not taken, over HTTP. */
function refuses(status: number, text: string): () => Answer {
  const message = `failed deserializing HTTP body: ${text}`;
  const body = goJson({ errorCode: "ERR_MALFORMED_REQUEST", message });
  return () => ({ status, contentType: "application/json", body });
}

/** A failed invocation, where daprd tells of none. */
function fails(message: string): (daprd: Answer) => Answer {
  const info = { reason: "ERR_INVOKE_OUTPUT_BINDING", domain: "dapr.io" };
  const body = goJson({ errorCode: info.reason, message });
  return (daprd) =>
    "code" in daprd
      ? { code: 13, message, info }
      : { status: 500, contentType: "application/json", body };
}

/** Rows in the place of an error. */
function answersRows(rows: string, sql: string): (daprd: Answer) => Answer {
  const time = "{time}";
  const told = { sql, "start-time": time, "end-time": time, duration: "{duration}" };
  const metadata: Record<string, string> = { operation: "query", ...told };
  const named = Object.entries(metadata).map(([name, value]) => [`metadata.${name}`, value]);
  return (daprd) =>
    "code" in daprd
      ? { code: 0, data: rows, metadata }
      : {
          ...{ status: 200, contentType: "application/json", body: rows },
          metadata: Object.fromEntries(named),
        };
}

function answersData(daprd: Answer, data: string): Answer {
  return "code" in daprd ? { ...daprd, data } : { ...daprd, body: data };
}

/** As Go writes JSON for browsers' sake. */
function goJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[<>&]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The answer with its text, wherever that is, changed. `quote`: how a quotation mark is written there. */
function withText(answer: Answer, change: (text: string, quote: string) => string): Answer {
  return Object.fromEntries(
    Object.entries(answer).map(([name, value]: [string, unknown]) => [
      name,
      typeof value === "string" ? change(value, name === "body" ? '\\"' : '"') : value,
    ]),
  ) as Answer;
}

/** What the stand-in for Postmark says of a mail that it was sent. */
function sentMail(HtmlBody: string): string {
  const mail = { From: "shop@example.com", HtmlBody, Subject: "Order", To: "ann@example.com" };
  return `error invoking output binding mails: error from Postmark, sending email failed: ${JSON.stringify(mail)}`;
}
