import { defineBinding, type Answer } from "../../../binding.ts";
import { problemsOf } from "../../../check-settings.ts";
import { BindingError } from "../../../errors.ts";
import { examineByRequest } from "../../../examine-by-request.ts";
import { string } from "../../../metadata/fields.ts";
import { caCertField } from "../../../metadata/tls-fields.ts";
import { durationText, instantText, now } from "../../../sql/timing.ts";
import {
  decodeBatchGetRow,
  decodeGetRow,
  encodeBatchGetRow,
  encodeDeleteRow,
  encodeDescribeTable,
  encodeGetRow,
  encodePutRow,
} from "./messages.ts";
import { attributesOf, listOfMembers, membersOf, primaryKeyOf, rowText } from "./row-json.ts";
import { checkEndpoint, rowFailure, TableService } from "./table-service.ts";

const rowRequest = {
  tableName: string({ description: "The table, in place of the component's.", example: "orders" }),
  primaryKeys: string({
    description:
      "The names of the primary key's columns in the table's order, between commas. The data have a value for each.",
    required: true,
    example: "customer,order",
  }),
} as const;
const readRequest = {
  ...rowRequest,
  columnToGet: string({
    description: "The names of the columns to answer, between commas. Default: all.",
    example: "total,paid",
  }),
} as const;

type RowRequest = { readonly tableName?: string | undefined; readonly primaryKeys: string };

type Connection = { readonly service: TableService; readonly tableName: string } & AsyncDisposable;

/** Writes and reads rows of Alibaba Cloud's Tablestore. */
export default defineBinding({
  name: "alicloud.tablestore",
  status: "beta",
  summary: "Writes, reads and deletes rows of a table of Alibaba Cloud Tablestore.",
  provedBy: [{ system: "Alibaba Cloud Tablestore", kind: "stand-in" }],

  metadata: {
    endpoint: string({
      description: "The instance's endpoint.",
      required: true,
      example: "https://shop.cn-hangzhou.ots.aliyuncs.com",
    }),
    accessKeyID: string({
      description: "The id of the access key.",
      required: true,
      example: "LTAI5tExample",
    }),
    accessKey: string({
      description: "The secret of the access key.",
      required: true,
      sensitive: true,
    }),
    instanceName: string({ description: "The instance.", required: true, example: "shop" }),
    tableName: string({
      description: "The table of calls that name none.",
      example: "orders",
    }),
    ...caCertField,
  },

  check: ({ endpoint }) => problemsOf([() => checkEndpoint(endpoint)]),

  async open({ metadata, memory, hide }): Promise<Connection> {
    const { endpoint, accessKeyID, accessKey, instanceName, tableName = "" } = metadata;
    const service = await TableService.open(
      { endpoint, instance: instanceName, accessKeyId: accessKeyID, secret: accessKey },
      { memory, hide, caCert: metadata.caCert },
    );
    return { service, tableName, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
  },

  async examine({ service, tableName }, questions) {
    const { signal, unknown, omit } = questions;
    // It means no permission, too, which has a code of its own today.
    const strangers = ["OTSAuthFailed"];
    if (tableName === "") {
      omit("exists");
      const request = async () => void (await service.ask("ListTable", new Uint8Array(), signal));
      await examineByRequest(questions, request, [["authenticated", ""]], strangers);
      return unknown("may write", "", "each call names its table");
    }
    const described = encodeDescribeTable(tableName);
    const told = [
      ["authenticated", ""],
      ["exists", `table ${tableName}`],
    ] as const;
    const request = async () => void (await service.ask("DescribeTable", described, signal));
    await examineByRequest(questions, request, told, strangers);
    unknown("may write", `table ${tableName}`, "only writing a row tells");
  },

  operations: {
    create: {
      description:
        "Writes the data, a JSON object, as one row, in place of one with the same primary key.",
      request: rowRequest,
      idempotent: true,
      async invoke(connection, { data, request, signal }) {
        const begun = now();
        const keys = keysOf(request);
        const members = membersOf(data);
        const row = {
          primaryKey: primaryKeyOf(members, keys),
          attributes: attributesOf(members, keys),
        };
        const body = encodePutRow(tableOf(connection, request), row);
        await connection.service.ask("PutRow", body, signal);
        return answerOf(begun);
      },
    },
    delete: {
      description:
        "Deletes the row with the primary key of the data, a JSON object, if there is one.",
      request: rowRequest,
      idempotent: true,
      async invoke(connection, { data, request, signal }) {
        const begun = now();
        const primaryKey = primaryKeyOf(membersOf(data), keysOf(request));
        const body = encodeDeleteRow(tableOf(connection, request), primaryKey);
        await connection.service.ask("DeleteRow", body, signal);
        return answerOf(begun);
      },
    },
    get: {
      description:
        "Reads the row with the primary key of the data, a JSON object. Without such a row the answer is empty.",
      request: readRequest,
      idempotent: true,
      async invoke(connection, { data, request, signal }) {
        const begun = now();
        const primaryKey = primaryKeyOf(membersOf(data), keysOf(request));
        const body = encodeGetRow(queryOf(connection, request), primaryKey);
        const answer = await connection.service.ask("GetRow", body, signal);
        const row = understood(() => decodeGetRow(answer));
        return answerOf(begun, row && rowText(row));
      },
    },
    list: {
      description:
        "Reads the rows with the primary keys of the data, a list of JSON objects: 100 at most. A row that is not there is `null` in the answer.",
      request: readRequest,
      idempotent: true,
      async invoke(connection, { data, request, signal }) {
        const begun = now();
        const keys = keysOf(request);
        const primaryKeys = listOfMembers(data).map((one) => primaryKeyOf(one, keys));
        const body = encodeBatchGetRow(queryOf(connection, request), primaryKeys);
        const answer = await connection.service.ask("BatchGetRow", body, signal);
        const rows = understood(() => decodeBatchGetRow(answer));
        const texts = rows.map((one) => {
          if ("error" in one) throw rowFailure(one.error);
          return rowText(one.row);
        });
        return answerOf(begun, `[${texts.join(",")}]`);
      },
    },
  },
});

function keysOf({ primaryKeys }: RowRequest): string[] {
  const keys = primaryKeys.split(",");
  if (new Set(keys).size === keys.length) return keys;
  throw new BindingError("invalid_argument", "tablestore: primaryKeys names a column twice", {
    effect: "unsent",
  });
}

function tableOf(connection: Connection, request: RowRequest): string {
  const table = request.tableName || connection.tableName;
  if (table !== "") return table;
  throw new BindingError(
    "invalid_argument",
    "tablestore: neither the call nor the component names a table",
    {
      effect: "unsent",
    },
  );
}

function queryOf(
  connection: Connection,
  { columnToGet, ...request }: RowRequest & { readonly columnToGet?: string | undefined },
) {
  return {
    table: tableOf(connection, request),
    columns: columnToGet ? columnToGet.split(",") : [],
  };
}

/** The times of the call are told as Dapr tells them. */
function answerOf(begun: number, text?: string): Answer {
  const ended = now();
  return {
    metadata: {
      "start-time": instantText(begun),
      "end-time": instantText(ended),
      duration: durationText(ended - begun),
    },
    ...(text === undefined ? {} : { data: Buffer.from(text) }),
  };
}

function understood<Read>(read: () => Read): Read {
  try {
    return read();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new BindingError("internal", `tablestore: the answer cannot be read: ${why}`, {
      effect: "ambiguous",
    });
  }
}
