import { delay } from "../../../delay.ts";
import { BindingError } from "../../../errors.ts";
import { AwsClient } from "../client.ts";
import type { AwsOpening } from "../client.ts";
import { timeText } from "./lease-time.ts";

/** The checkpoint of a shard that was read to its end. */
export const shardEnd = "SHARD_END";

/** What the table says of one shard. */
export type Row = {
  readonly shard: string;
  /** Who reads it; absent: nobody. */
  readonly owner: string | undefined;
  /** Until when, as it is written. */
  readonly timeout: string | undefined;
  /** The sequence number up to which all was handled, or {@link shardEnd}. */
  readonly checkpoint: string | undefined;
  /** Who wants it. */
  readonly claim: string | undefined;
  /** Where it begins without a checkpoint: `TRIM_HORIZON`, or a time. Only this runtime writes it. */
  readonly start: string | undefined;
};

/** What is read of a shard, and as whom. */
export type Holding = { readonly shard: string; readonly owner: string };

const service = { id: "DynamoDB", host: "dynamodb" } as const;
/** What the library that Dapr has provides. */
const capacity = { ReadCapacityUnits: 10, WriteCapacityUnits: 10 } as const;
const pauseWhileMaking = 200;
const rowsAtOnce = 10;

/** The table of a consumer, its rows as vmware-go-kcl writes them. */
export class LeaseTable implements AsyncDisposable {
  readonly name: string;
  readonly #client: AwsClient;
  #mayScan = true;

  private constructor(name: string, client: AwsClient) {
    this.name = name;
    this.#client = client;
  }

  /** Asks nobody yet. */
  static async open(name: string, opening: AwsOpening): Promise<LeaseTable> {
    return new LeaseTable(name, await AwsClient.open(opening, service));
  }

  /** Makes the table, unless it is there. */
  async prepare(signal: AbortSignal): Promise<void> {
    if ((await this.#state(signal)) === "missing") await this.#make(signal);
    while ((await this.#state(signal)) === "making") {
      await delay(pauseWhileMaking, signal);
      signal.throwIfAborted();
    }
  }

  /** What the table says of these shards, by id. */
  async rows(shards: readonly string[], signal: AbortSignal): Promise<Map<string, Row>> {
    const items = this.#mayScan ? await this.#scan(signal) : undefined;
    const rows = (items ?? (await this.#each(shards, signal))).map((item) => rowOf(item));
    return new Map(rows.map((row) => [row.shard, row]));
  }

  /** Writes that a shard is known, and where it begins. False: the table knew it. */
  async register(
    shard: { readonly id: string; readonly parents: readonly string[] },
    start: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const [parent] = shard.parents;
    const Item = {
      ShardID: { S: shard.id },
      CufflinkStart: { S: start },
      ...(parent === undefined ? {} : { ParentShardId: { S: parent } }),
    };
    const ConditionExpression = "attribute_not_exists(ShardID)";
    const written = this.#call("PutItem", { Item, ConditionExpression }, signal);
    return (await unlessRefused(written)) !== undefined;
  }

  /**
   * Takes the lease that a row tells of, as long as that is true. `start`: where the shard begins without a checkpoint.
   * `undefined`: another was faster.
   */
  take(
    row: Row,
    { owner, until, start }: { owner: string; until: number; start: string | undefined },
    signal: AbortSignal,
  ): Promise<Row | undefined> {
    const set = { AssignedTo: owner, LeaseTimeout: timeText(until) };
    const as = [
      ["AssignedTo", row.owner],
      ["LeaseTimeout", row.owner && row.timeout],
      ["ClaimRequest", row.claim],
    ] as const;
    // Of a lease that nobody has the time says nothing.
    const compared = as.filter(([name]) => name !== "LeaseTimeout" || row.owner !== undefined);
    return this.#update(row.shard, signal, {
      set: { ...set, ...(start === undefined ? {} : { CufflinkStart: start }) },
      remove: ["ClaimRequest"],
      condition: compared.map(([name, value]) =>
        value === undefined ? notThere(name) : `${name} = :${name}`,
      ),
      values: Object.fromEntries(compared.filter((one) => one[1] !== undefined)) as Record<
        string,
        string
      >,
    });
  }

  /** Renews a lease, with a checkpoint if there is a new one. `undefined`: it is another's. */
  renew(
    { shard, owner }: Holding,
    { until, checkpoint }: { readonly until: number; readonly checkpoint: string | undefined },
    signal: AbortSignal,
  ): Promise<Row | undefined> {
    return this.#update(shard, signal, {
      set: {
        LeaseTimeout: timeText(until),
        ...(checkpoint === undefined ? {} : { Checkpoint: checkpoint }),
      },
      condition: ["AssignedTo = :owner"],
      values: { owner },
    });
  }

  /** Gives a lease back, with the last checkpoint if there is a new one. */
  release(
    { shard, owner }: Holding,
    checkpoint: string | undefined,
    signal: AbortSignal,
  ): Promise<Row | undefined> {
    return this.#update(shard, signal, {
      set: checkpoint === undefined ? {} : { Checkpoint: checkpoint },
      remove: ["AssignedTo"],
      condition: ["AssignedTo = :owner"],
      values: { owner },
    });
  }

  /** Asks the owner for a shard. `undefined`: somebody else did, or it has another owner by now. */
  claim(row: Row, claimer: string, signal: AbortSignal): Promise<Row | undefined> {
    return this.#update(row.shard, signal, {
      set: { ClaimRequest: claimer },
      condition: ["AssignedTo = :owner", notThere("ClaimRequest")],
      values: { owner: row.owner ?? "" },
    });
  }

  /** Takes back what {@link claim} asked for. */
  async unclaim(shard: string, claimer: string, signal: AbortSignal): Promise<void> {
    await this.#update(shard, signal, {
      set: {},
      remove: ["ClaimRequest"],
      condition: ["ClaimRequest = :claim"],
      values: { claim: claimer },
    });
  }

  /** Deletes the row of a shard that the stream has no more. */
  async remove(shard: string, signal: AbortSignal): Promise<void> {
    await this.#call("DeleteItem", { Key: { ShardID: { S: shard } } }, signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#client[Symbol.asyncDispose]();
  }

  async #state(signal: AbortSignal): Promise<"there" | "making" | "missing"> {
    try {
      const { Table } = await this.#call<{ Table?: { TableStatus?: string } }>(
        "DescribeTable",
        {},
        signal,
      );
      return Table?.TableStatus === "CREATING" ? "making" : "there";
    } catch (error) {
      const { reason } = BindingError.from(error);
      if (reason === "not_found") return "missing";
      // Whether it is there shows when it is read.
      if (reason === "permission_denied") return "there";
      throw error;
    }
  }

  async #make(signal: AbortSignal): Promise<void> {
    try {
      await this.#call(
        "CreateTable",
        {
          AttributeDefinitions: [{ AttributeName: "ShardID", AttributeType: "S" }],
          KeySchema: [{ AttributeName: "ShardID", KeyType: "HASH" }],
          ProvisionedThroughput: capacity,
        },
        signal,
      );
    } catch (error) {
      // Another reader makes it at this moment.
      if (BindingError.from(error).systemCode !== "ResourceInUseException") throw error;
    }
  }

  async #scan(signal: AbortSignal): Promise<Item[] | undefined> {
    const items: Item[] = [];
    let from: object = {};
    for (;;) {
      let answer: ScanAnswer;
      try {
        answer = await this.#call("Scan", { ConsistentRead: true, ...from }, signal);
      } catch (error) {
        if (BindingError.from(error).reason !== "permission_denied") throw error;
        // The library does not scan either, unless it steals leases.
        this.#mayScan = false;
        return undefined;
      }
      items.push(...(answer.Items ?? []));
      if (!answer.LastEvaluatedKey) return items;
      from = { ExclusiveStartKey: answer.LastEvaluatedKey };
    }
  }

  async #each(shards: readonly string[], signal: AbortSignal): Promise<Item[]> {
    const items: Item[] = [];
    for (let at = 0; at < shards.length; at += rowsAtOnce) {
      const answers = shards.slice(at, at + rowsAtOnce).map((id) => {
        const input = { Key: { ShardID: { S: id } }, ConsistentRead: true };
        return this.#call<{ Item?: Item }>("GetItem", input, signal);
      });
      for (const { Item } of await Promise.all(answers)) if (Item !== undefined) items.push(Item);
    }
    return items;
  }

  async #update(shard: string, signal: AbortSignal, update: Update): Promise<Row | undefined> {
    const { set, remove = [], condition, values } = update;
    const assigned = Object.entries(set);
    const expressions = [
      ...(assigned.length === 0
        ? []
        : [`SET ${assigned.map(([name]) => `${name} = :new${name}`).join(", ")}`]),
      ...(remove.length === 0 ? [] : [`REMOVE ${remove.join(", ")}`]),
    ];
    const all = [...Object.entries(values), ...assigned.map(([name, to]) => [`new${name}`, to])];
    const answer = await unlessRefused(
      this.#call<{ Attributes?: Item }>(
        "UpdateItem",
        {
          Key: { ShardID: { S: shard } },
          UpdateExpression: expressions.join(" "),
          ConditionExpression: condition.join(" AND "),
          ExpressionAttributeValues: Object.fromEntries(
            all.map(([name, value]) => [`:${name}`, { S: value }]),
          ),
          ReturnValues: "ALL_NEW",
        },
        signal,
      ),
    );
    return answer && rowOf({ ShardID: { S: shard }, ...answer.Attributes });
  }

  #call<Answer extends object>(
    operation: string,
    input: object,
    signal: AbortSignal,
  ): Promise<Answer> {
    const target = { prefix: "DynamoDB_20120810", operation, version: "1.0" } as const;
    return this.#client.json<Answer>(target, { TableName: this.name, ...input }, signal);
  }
}

type Item = Readonly<Record<string, { readonly S?: string } | undefined>>;

type ScanAnswer = { readonly Items?: readonly Item[]; readonly LastEvaluatedKey?: Item };

type Update = {
  readonly set: Readonly<Record<string, string>>;
  readonly remove?: readonly string[];
  readonly condition: readonly string[];
  readonly values: Readonly<Record<string, string>>;
};

function rowOf(item: Item): Row {
  // A claim of the library writes an empty text where there is no checkpoint.
  const one = (name: string): string | undefined => item[name]?.S || undefined;
  return {
    shard: one("ShardID") ?? "",
    owner: one("AssignedTo"),
    timeout: one("LeaseTimeout"),
    checkpoint: one("Checkpoint"),
    claim: one("ClaimRequest"),
    start: one("CufflinkStart"),
  };
}

function notThere(name: string): string {
  return `attribute_not_exists(${name})`;
}

async function unlessRefused<Answer>(call: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await call;
  } catch (error) {
    if (BindingError.from(error).systemCode === "ConditionalCheckFailedException") return undefined;
    throw error;
  }
}
