import { expect, test, vi } from "vitest";
import { defineBinding, type AnyBinding, type Examination } from "../../../src/binding.ts";
import { BindingError, type Reason } from "../../../src/errors.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { string } from "../../../src/metadata/fields.ts";
import { ComponentCode } from "../../../src/runtime/component/component-code.ts";
import { examineComponent } from "../../../src/runtime/component/examine.ts";
import type { RuntimeLogger } from "../../../src/runtime/runtime-logger.ts";
import { createHttpEndpoints } from "../../../src/server/http-endpoints.ts";

const logger: RuntimeLogger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
const closed = vi.fn<() => void>();

type Part = Partial<Pick<AnyBinding, "open" | "ping" | "examine" | "read">>;

function binding({ open, ...part }: Part = {}): AnyBinding {
  return defineBinding({
    ...{ name: "probe", status: "beta", summary: "For tests." },
    metadata: { password: string({ description: "A secret.", sensitive: true }) },
    open:
      open ??
      (async () => ({
        async [Symbol.asyncDispose]() {
          closed();
        },
      })),
    operations: { create: { description: "Nothing.", request: {}, async invoke() {} } },
    ...part,
  });
}

async function examine(of: AnyBinding | undefined, values: Record<string, string> = {}) {
  const { checks } = await examineComponent({
    appId: "test",
    spec: {
      ...{ name: "one", type: "bindings.probe", version: "v1", initTimeout: 5000 },
      ...{ origin: undefined, properties: [] },
      resolve: async () => ({ values, secrets: Object.values(values) }),
    },
    code: of && new ComponentCode(of),
    http: createHttpEndpoints(),
    memory: new MemoryBudget().share("one"),
    ...{ driversFolder: undefined, allowExec: false, logger, timeout: 200 },
  });
  return checks.map(({ kind, subject, result, detail }) =>
    [result, kind, subject, detail].filter(Boolean).join(" | "),
  );
}

const cannot = "probe cannot be asked this without consuming or changing something";

test("without ping and questions, only the definition is known", async () => {
  expect(await examine(binding())).toEqual([
    "passed | definition",
    `unknown | reachable | ${cannot}`,
    `unknown | authenticated | ${cannot}`,
    `unknown | exists | ${cannot}`,
    `unknown | may write | ${cannot}`,
  ]);
  expect(closed).toHaveBeenCalled();
});

test.each<[Reason, string[]]>([
  ["invalid_argument", ["failed | definition | no"]],
  ["unavailable", ["passed | definition", "failed | reachable | no"]],
  ["unauthenticated", ["passed | definition", "passed | reachable", "failed | authenticated | no"]],
  ["not_found", ["passed | definition", "passed | reachable", "failed | exists | no"]],
  ["permission_denied", ["passed | definition", "passed | reachable", "failed | may write | no"]],
])("an open that fails with %s tells how far it came", async (reason, expected) => {
  const open = async () => {
    throw new BindingError(reason, "no");
  };
  const checks = await examine(binding({ open }));
  expect(checks.filter((one) => !one.startsWith("unknown"))).toEqual(expected);
  for (const one of checks.filter((check) => check.startsWith("unknown")))
    expect(one).toContain("not asked:");
});

test("a ping that is refused shows that the system is there; one without an answer that it is not", async () => {
  const refusing = (reason: Reason) =>
    binding({
      ping: async () => {
        throw new BindingError(reason, "no");
      },
    });
  expect(await examine(refusing("permission_denied"))).toContain("passed | reachable");
  expect(await examine(refusing("unavailable"))).toContain("failed | reachable | no");
  const checks = await examine(refusing("unauthenticated"));
  expect(checks).toContain("failed | authenticated | no");
  expect(checks).toContain('unknown | exists | not asked: "authenticated" failed');
});

test("a binding's questions: yes, no, open, omitted, each with its subject, and no secret", async () => {
  const checks = await examine(
    binding({
      async examine(_connection, { ask, unknown, omit }: Examination<never>) {
        omit("reachable");
        await ask("authenticated", "", () => "as ann, with s3cret-word");
        await ask("exists", "queue a", () => {
          throw new BindingError("not_found", "no queue a");
        });
        await ask("exists", "queue b", () => {
          throw new BindingError("permission_denied", "you may not look");
        });
        unknown("may write", "queue a", "not without writing");
      },
    }),
    { password: "s3cret-word" },
  );
  expect(checks).toEqual([
    "passed | definition",
    "passed | authenticated | as ann, with ***",
    "failed | exists | queue a | no queue a",
    "unknown | exists | queue b | you may not look",
    "unknown | may write | queue a | not without writing",
  ]);
});

test("questions without an answer end in time, and what was not asked is told", async () => {
  const checks = await examine(
    binding({
      ping: async () => {},
      examine: () => new Promise(() => {}),
    }),
  );
  expect(checks).toEqual([
    "passed | definition",
    "passed | reachable",
    ...["authenticated", "exists", "may write"].map(
      (kind) =>
        `unknown | ${kind} | not asked: no answer within 200 ms; --timeout allows more time`,
    ),
  ]);
});

test("a type that is not there, and code that cannot be loaded", async () => {
  expect(await examine(undefined)).toEqual([
    "failed | definition | type | no binding is of the type bindings.probe; see cufflink types",
  ]);
});

test("it is opened as for an examination", async () => {
  const seen: unknown[] = [];
  await examine(
    binding({
      async open({ examines }: { readonly examines?: true }) {
        seen.push(examines);
        return { async [Symbol.asyncDispose]() {} };
      },
    }),
  );
  expect(seen).toEqual([true]);
});
