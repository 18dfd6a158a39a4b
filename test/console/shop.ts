// What a made-up shop's daemon says, the same each time: for pictures, and for tests of how the page looks.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { Direction } from "../../gen/cufflink/v1/binding_types_pb.ts";
import {
  DeadLetterCause,
  type DeadLetterRecord,
  DeadLetterRecordSchema,
} from "../../gen/cufflink/v1/dead_letters_pb.ts";
import {
  AttemptOutcome,
  EventEnd,
  type EventRecord,
  EventRecordSchema,
} from "../../gen/cufflink/v1/history_pb.ts";
import {
  ChangeKind,
  CheckKind,
  CheckResult,
  type Component,
  ComponentSchema,
  ComponentState,
  ComponentSamplesSchema,
  ExamineComponentsResponseSchema,
  FindingSeverity,
  type InputStatusSchema,
  GetDefinitionResponseSchema,
  ListReloadsResponseSchema,
  Readiness,
  ReloadOutcome,
} from "../../gen/cufflink/v1/operations_pb.ts";

/** The time at which all of it is looked at, in milliseconds since 1970. */
export const shopTime = Date.UTC(2026, 11, 1, 9, 30, 0);

const minutes = 60_000;
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const at = (ago: number): Timestamp => timestampFromMs(shopTime - ago);
const took = (milliseconds: number) => ({
  seconds: BigInt(Math.floor(milliseconds / 1000)),
  nanos: Math.round((milliseconds % 1000) * 1e6),
});

/** Numbers that look like chance and are the same each time. */
function chance(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state = (state * 1_103_515_245 + 12_345) & 0x7fff_ffff;
    return state / 0x7fff_ffff;
  };
}

type Made = {
  readonly name: string;
  readonly type: string;
  readonly state?: ComponentState;
  readonly reason?: string;
  readonly input?: MessageInitShape<typeof InputStatusSchema>;
  readonly operations?: readonly string[];
  /** Calls in five seconds. */
  readonly pace?: number;
  readonly fails?: number;
  readonly time?: number;
  readonly deadLetters?: number;
};

const made: readonly Made[] = [
  {
    name: "orders",
    type: "kafka",
    input: {
      inFlight: 12,
      waiting: 3,
      attempts: 48_211n,
      handled: 48_160n,
      backlog: 214n,
      deadLettered: 37n,
      oldestWaiting: {
        id: "orders/3/91877",
        attempts: 4,
        since: at(9 * minutes),
        nextAttempt: at(-20_000),
        lastError: "500: the warehouse does not know the article 7731",
      },
    },
    operations: ["create"],
    pace: 62,
    time: 18,
    deadLetters: 37,
  },
  {
    name: "invoices-ftp",
    type: "sftp",
    state: ComponentState.FAILED,
    reason: "the server's host key has changed; put the new one into hostPublicKey",
    input: {},
    operations: ["create", "get", "list", "delete"],
    pace: 0,
  },
  {
    name: "stock-updates",
    type: "mqtt3",
    state: ComponentState.RECONNECTING,
    reason: "the broker closed the connection; next try in 8 s",
    input: { attempts: 9120n, handled: 9120n },
    operations: ["create"],
    pace: 11,
    time: 6,
  },
  {
    name: "payments",
    type: "rabbitmq",
    input: { inFlight: 4, attempts: 7140n, handled: 7132n, backlog: 0n, deadLettered: 2n },
    operations: ["create"],
    pace: 9,
    time: 34,
    deadLetters: 2,
  },
  {
    name: "mail",
    type: "smtp",
    operations: ["create"],
    pace: 3,
    time: 210,
    fails: 2,
  },
  {
    name: "returns",
    type: "aws.sqs",
    state: ComponentState.PAUSED,
    reason: "paused by the console: stocktaking until noon",
    input: { attempts: 612n, handled: 612n, backlog: 48n },
    pace: 0,
  },
  {
    name: "cache",
    type: "redis",
    operations: ["create", "get", "delete", "increment"],
    pace: 88,
    time: 0.7,
  },
  {
    name: "catalogue",
    type: "postgres",
    input: { attempts: 320n, handled: 320n },
    operations: ["exec", "query", "close"],
    pace: 21,
    time: 4.2,
  },
  {
    name: "github-hook",
    type: "webhook",
    input: { attempts: 88n, handled: 88n },
    pace: 0.4,
    time: 12,
  },
  {
    name: "nightly",
    type: "cron",
    input: { attempts: 1n, handled: 1n },
    operations: ["delete"],
    pace: 0,
  },
  {
    name: "photos",
    type: "aws.s3",
    operations: ["create", "get", "delete", "list", "presign"],
    pace: 6,
    time: 41,
  },
  {
    name: "search-index",
    type: "http",
    operations: ["get", "post", "put", "delete"],
    pace: 14,
    time: 27,
  },
  {
    name: "labels",
    type: "file",
    input: { attempts: 204n, handled: 204n, backlog: 0n },
    pace: 1,
    time: 9,
  },
];

/** Components of the shop; beyond those that are thought of, as many more as are asked for. */
export function components(more = 0): Component[] {
  const others = Array.from({ length: more }, (_, index): Made => ({
    name: `feed-${String(index).padStart(4, "0")}`,
    type: "redis.streams",
    input: { attempts: BigInt(index), handled: BigInt(index) },
    pace: index % 7,
    time: 3,
  }));
  return [...made, ...others]
    .map((one) =>
      create(ComponentSchema, {
        name: one.name,
        type: `bindings.${one.type}`,
        version: "v1",
        state: one.state ?? ComponentState.RUNNING,
        reason: one.reason ?? "",
        since: at(3 * 60 * minutes),
        directions: [
          ...(one.input ? [Direction.INPUT] : []),
          ...(one.operations ? [Direction.OUTPUT] : []),
        ],
        operations: [...(one.operations ?? [])],
        source: `/etc/shop/components/${one.name}.yaml:1`,
        readiness: Readiness.OPTIONAL,
        ...(one.input && { input: one.input }),
        ...(one.operations && {
          output: {
            invocations: BigInt(Math.round((one.pace ?? 0) * 2100)),
            failures: BigInt(one.fails ?? 0),
          },
        }),
      }),
    )
    .toSorted((one, other) => one.name.localeCompare(other.name));
}

/** What the components did in the last ten minutes. */
export function samples(more = 0) {
  const all = [
    ...made,
    ...Array.from({ length: more }, (_, index): Made => ({
      name: `feed-${String(index).padStart(4, "0")}`,
      type: "",
      input: {},
      pace: index % 7,
      time: 3,
    })),
  ];
  return all
    .filter(({ pace }) => (pace ?? 0) > 0)
    .map(({ name, pace = 0, input, time = 1, fails = 0 }, index) => {
      const next = chance(index + 3);
      return create(ComponentSamplesSchema, {
        component: name,
        samples: Array.from({ length: 120 }, (_, sample) => {
          const wave = 1 + 0.35 * Math.sin((sample + index * 17) / 14);
          const calls = Math.floor(pace * wave * (0.75 + next() / 2) + next() * 0.8);
          const mean = took(time * (0.8 + next() * 0.5));
          const incoming = input !== undefined;
          return {
            at: at((119 - sample) * 5000 + 500),
            ...(incoming
              ? { attempts: calls, handled: calls, attemptTime: mean }
              : { invocations: calls, invocationTime: mean }),
            failures: fails > 0 && sample > 110 && sample % 4 === 0 ? 1 : 0,
            inFlight: Math.round(calls * 0.2),
            ...(name === "orders" && {
              backlog: BigInt(Math.round(40 + sample * 1.5 + next() * 30)),
            }),
          };
        }),
      });
    });
}

/** How many dead letters components have. */
export function deadLetterCounts(): { component: string; count: bigint }[] {
  return made
    .filter(({ deadLetters }) => deadLetters !== undefined)
    .map(({ name, deadLetters = 0 }) => ({ component: name, count: BigInt(deadLetters) }));
}

const order = (index: number): string =>
  JSON.stringify({
    order: 918_000 + index,
    customer: `C-${4000 + ((index * 37) % 900)}`,
    lines: [
      { article: 7731, pieces: 1 + (index % 3), price: "19.90" },
      { article: 4410 + (index % 20), pieces: 2, price: "4.50" },
    ],
  });

/** Dead letters, oldest first. */
export function deadLetters(many = 39): DeadLetterRecord[] {
  return Array.from({ length: many }, (_, index) => {
    const payment = many < 100 && index >= many - 2;
    const stored = (many - index) * 97_000;
    const reason = payment
      ? "400: the card has expired"
      : "500: the warehouse does not know the article 7731";
    const data = bytes(order(index));
    return create(DeadLetterRecordSchema, {
      id: `0197a2c4-9d00-7000-8000-${index.toString(16).padStart(12, "0")}`,
      component: payment ? "payments" : "orders",
      type: payment ? "bindings.rabbitmq" : "bindings.kafka",
      cause: payment ? DeadLetterCause.REFUSED : DeadLetterCause.EXHAUSTED,
      reason,
      event: {
        data,
        id: payment ? `pay-${7100 + index}` : `orders/${index % 6}/${91_800 + index}`,
        key: bytes(`C-${4000 + ((index * 37) % 900)}`),
        headers: [
          { name: "content-type", value: bytes("application/json") },
          { name: "source", value: bytes("web-shop") },
          { name: "checksum", value: Uint8Array.from([0x9f, 0x12, 0xe4, index % 256]) },
        ],
      },
      metadata: { topic: "orders", partition: String(index % 6), offset: String(91_800 + index) },
      dataSize: BigInt(data.length),
      attempts: Array.from({ length: payment ? 1 : 3 }, (_, attempt) => ({
        at: at(stored + (3 - attempt) * 8000),
        took: took(22 + attempt * 7),
        outcome: AttemptOutcome.REFUSED,
        answer: reason,
      })),
      failedAttempts: payment ? 1 : 3,
      receivedAt: at(stored + 25_000),
      storedAt: at(stored),
      traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    });
  });
}

/** Events that came to their end, newest first. */
export function events(): EventRecord[] {
  return Array.from({ length: 60 }, (_, index) => {
    const dead = index % 9 === 4;
    const retried = dead || index % 7 === 3;
    const ended = index * 3700 + 900;
    const many = dead ? 3 : retried ? 2 : 1;
    return create(EventRecordSchema, {
      component: index % 4 === 1 ? "payments" : "orders",
      eventId: index % 4 === 1 ? `pay-${7300 - index}` : `orders/${index % 6}/${92_400 - index}`,
      source: index % 4 === 1 ? "" : `orders/${index % 6}`,
      receivedAt: at(ended + 30 + (many - 1) * 2200),
      attempts: Array.from({ length: many }, (_, attempt) => ({
        at: at(ended + 24 + (many - 1 - attempt) * 2100),
        took: took(14 + ((index * 7) % 20)),
        outcome: attempt === many - 1 && !dead ? AttemptOutcome.HANDLED : AttemptOutcome.REFUSED,
        answer:
          attempt === many - 1 && !dead ? "" : "500: the warehouse does not know the article 7731",
      })),
      renewals: retried && index % 4 === 1 ? [at(ended + 1200)] : [],
      traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
      end: dead ? EventEnd.DEAD_LETTER : EventEnd.HANDLED,
      endedAt: at(ended),
      reason: dead
        ? "the 3 attempts are used up: 500: the warehouse does not know the article 7731"
        : "",
      deadLetterId: dead
        ? `0197a2c4-9d00-7000-8000-${(index % 30).toString(16).padStart(12, "0")}`
        : "",
    });
  });
}

/** The definition of the input of orders, with something wrong. */
export const definition = create(GetDefinitionResponseSchema, {
  file: "/etc/shop/components/orders.yaml",
  line: 1,
  yaml: `apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: orders
spec:
  type: bindings.kafka
  version: v1
  metadata:
    # Three brokers, one topic.
    - name: brokers
      value: kafka-0:9092,kafka-1:9092,kafka-2:9092
    - name: topics
      value: orders
    - name: publishTopic
      value: orders
    - name: consumerGroup
      value: shop
    - name: authType
      value: password
    - name: saslUsername
      value: shop
    - name: saslPassword
      value: "***"
    - name: consumeRetryIntervall
      value: 200ms
`,
  findings: [
    {
      severity: FindingSeverity.WARNING,
      message:
        'property "consumeRetryIntervall" is not known; did you mean "consumeRetryInterval"?',
      line: 24,
      column: 13,
    },
  ],
});

/** The last reloads. */
export const reloads = create(ListReloadsResponseSchema, {
  reloads: [
    {
      revision: 14n,
      at: at(4 * minutes),
      outcome: ReloadOutcome.PARTLY_APPLIED,
      components: [
        { name: "mail", kind: ChangeKind.UPDATED, applied: true, source: "mail.yaml:1:1" },
        {
          name: "invoices-ftp",
          kind: ChangeKind.UPDATED,
          applied: false,
          reason: "the server's host key has changed; the definition before goes on",
          source: "invoices-ftp.yaml:1:1",
        },
        ...["cache", "catalogue", "orders", "payments"].map((name) => ({
          name,
          kind: ChangeKind.KEPT,
          applied: true,
        })),
      ],
    },
    {
      revision: 13n,
      at: at(52 * minutes),
      outcome: ReloadOutcome.REFUSED,
      problems: [
        'payments.yaml:12:7 error: property "queueNam" is not known; did you mean "queueName"?',
      ],
    },
    {
      revision: 13n,
      at: at(171 * minutes),
      outcome: ReloadOutcome.APPLIED,
      components: [
        { name: "labels", kind: ChangeKind.CREATED, applied: true, source: "labels.yaml:1:1" },
        {
          name: "old-labels",
          kind: ChangeKind.DELETED,
          applied: true,
          source: "old-labels.yaml:1:1",
        },
      ],
    },
  ],
});

const asked = [
  CheckKind.DEFINITION,
  CheckKind.REACHABLE,
  CheckKind.AUTHENTICATED,
  CheckKind.EXISTS,
  CheckKind.MAY_READ,
  CheckKind.MAY_WRITE,
];

/** What an examination finds. */
export function examinations() {
  return components().map((component, index) => {
    const failed =
      component.name === "invoices-ftp" ? 2 : component.name === "stock-updates" ? 1 : 9;
    return create(ExamineComponentsResponseSchema, {
      component: component.name,
      type: component.type,
      took: took(12 + index * 5),
      checks: asked.map((kind, check) => ({
        kind,
        result:
          check < failed
            ? kind === CheckKind.MAY_WRITE && index % 3 === 0
              ? CheckResult.UNKNOWN
              : CheckResult.PASSED
            : check === failed
              ? CheckResult.FAILED
              : CheckResult.UNKNOWN,
        subject: kind === CheckKind.EXISTS && component.name === "orders" ? "topic orders" : "",
        detail:
          check === failed
            ? component.reason
            : check > failed
              ? "not asked, since an earlier question was answered by no"
              : kind === CheckKind.MAY_WRITE && index % 3 === 0
                ? "it cannot be asked without writing"
                : "",
      })),
    });
  });
}
