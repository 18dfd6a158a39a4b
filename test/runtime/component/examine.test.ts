import { once } from "node:events";
import { createServer } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import {
  defineBinding,
  type AnyBinding,
  type Examination,
  type HttpEndpoints,
} from "../../../src/binding.ts";
import { BindingError, type Reason } from "../../../src/errors.ts";
import { MemoryBudget } from "../../../src/memory/budget.ts";
import { string } from "../../../src/metadata/fields.ts";
import type { PortUse } from "../../../src/port-use.ts";
import { ComponentCode } from "../../../src/runtime/component/component-code.ts";
import { examineComponent } from "../../../src/runtime/component/examine.ts";
import type { RuntimeLogger } from "../../../src/runtime/runtime-logger.ts";
import { createHttpEndpoints } from "../../../src/server/http-endpoints.ts";
import { reservePort } from "../../servers/ports.ts";

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

type Given = {
  readonly resolve?: () => Promise<{ values: Record<string, string>; secrets: string[] }>;
  readonly code?: ComponentCode;
  readonly use?: PortUse;
};

async function examine(
  of: AnyBinding | undefined,
  values: Record<string, string> = {},
  { resolve, code, use }: Given = {},
) {
  const { checks } = await examineComponent({
    appId: "test",
    spec: {
      ...{ name: "one", type: "bindings.probe", version: "v1", initTimeout: 5000 },
      ...{ origin: undefined, properties: [] },
      resolve: resolve ?? (async () => ({ values, secrets: Object.values(values) })),
      remoteSecretStores: ["vault"],
    },
    code: code ?? (of && new ComponentCode(of)),
    http: { ...createHttpEndpoints(), ...(use && { probe: async () => use }) },
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
        unknown("may write", "queue s3cret-word", "not without s3cret-word");
        await ask("may read", "key s3cret-word", () => {
          throw new BindingError("permission_denied", "no s3cret-word");
        });
      },
    }),
    { password: "s3cret-word" },
  );
  expect(checks).toEqual([
    "passed | definition",
    "passed | authenticated | as ann, with ***",
    "failed | exists | queue a | no queue a",
    "unknown | exists | queue b | you may not look",
    "failed | may read | key *** | no ***",
    "unknown | may write | queue *** | not without ***",
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
      (kind) => `unknown | ${kind} | not asked: no answer within 200ms; --timeout allows more time`,
    ),
  ]);
});

test("a system that has answered nothing in time cannot be reached", async () => {
  const late = "no answer within 200ms; --timeout allows more time";
  const unreachable = [
    ...["passed | definition", `failed | reachable | ${late}`],
    ...["authenticated", "exists", "may write"].map(
      (kind) => `unknown | ${kind} | not asked: "reachable" failed`,
    ),
  ];
  const never = () => new Promise<never>(() => {});
  expect(await examine(binding({ examine: never }))).toEqual(unreachable);
  expect(await examine(binding({ open: never }))).toEqual(unreachable);
  expect(await examine(binding({ ping: never }))).toEqual(unreachable);
});

test("a secret store that does not answer, and code that is never there, say nothing of the system", async () => {
  const late = "no answer within 200ms; --timeout allows more time";
  const never = () => new Promise<never>(() => {});
  const [first] = await examine(binding(), {}, { resolve: never });
  expect(first).toBe(`failed | definition | secrets of vault: ${late}`);
  const away = async () => {
    throw new BindingError("unavailable", "the secret store is away");
  };
  const [second] = await examine(binding(), {}, { resolve: away });
  expect(second).toBe("failed | definition | the secret store is away");
  const code = Object.assign(new ComponentCode(binding()), { load: never });
  expect(await examine(binding(), {}, { code })).toEqual([`failed | definition | ${late}`]);
});

test("a port is looked at, and not listened on; one that is in use may be the runtime's", async () => {
  const port = await reservePort();
  const listening = binding({
    async open({ http }: { readonly http: HttpEndpoints }) {
      const endpoint = await http.listen("127.0.0.1", port, "/");
      await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow("fetch failed");
      return endpoint;
    },
  });
  expect((await examine(listening)).slice(0, 2)).toEqual([
    ...["passed | definition", `unknown | reachable | ${cannot}`],
  ]);
  const inUse = "it is in use: by the runtime that has the component, or by another program";
  expect((await examine(listening, {}, { use: "unknown" }))[1]).toBe(
    `unknown | reachable | port ${port} | ${inUse}`,
  );
  const server = createServer().listen(port, "127.0.0.1");
  onTestFinished(() => {
    server.close();
  });
  await once(server, "listening");
  expect(
    (
      await examine(
        binding({
          open: ({ http }: { readonly http: HttpEndpoints }) => http.listen("127.0.0.1", port, "/"),
        }),
      )
    )[1],
  ).toBe(
    `failed | reachable | cannot listen on 127.0.0.1:${port}: the port is in use; end what uses it or choose another port`,
  );
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
