import type { Command } from "commander";
import { endpointForms, formatAddress, parseEndpoint, type Endpoint } from "../grpc/endpoint.ts";
import { readAuthority, readDuration } from "./client-options.ts";
import { ExitCode } from "./exit-code.ts";
import { askHealth, askUntilHealthy, type HealthAnswer } from "./health-request.ts";
import { plain, writeJson } from "./terminal.ts";
import { UsageError } from "./usage-error.ts";

type HealthFlags = {
  readonly address?: string;
  readonly daprHttpPort?: string;
  readonly ready?: true;
  readonly component?: string;
  readonly wait?: string;
  readonly timeout: string;
  readonly ca?: string;
  readonly insecure?: true;
  readonly json?: true;
};

/** `cufflink health`: what a container's health check, a unit file or a script asks. It loads no client and no driver. */
export function addHealthCommand(program: Command): void {
  const command = program
    .command("health")
    .description("ask a running runtime whether it is healthy: exit code 0 if so, else 1")
    .option("--ready", "whether the components with `readiness: required` run, too")
    .option("--component <name>", "whether this component runs")
    .option("--wait <duration>", "ask again until it is healthy, this long")
    .option("--timeout <duration>", "how long one answer may take", "5s")
    .option(
      "--address <address>",
      `a port or socket of the runtime: ${endpointForms}; default $DAPR_HTTP_ENDPOINT`,
    )
    .option("--dapr-http-port <port>", "its port on 127.0.0.1; default $DAPR_HTTP_PORT, else 3500")
    .option("--ca <file>", "speak TLS, and trust the certificates of this authority (PEM)")
    .option("--insecure", "speak TLS, and trust whatever certificate the runtime shows")
    .option("--json", "for tools")
    .addHelpText(
      "after",
      `
Exit code 1: it is not healthy, or nothing answers.

Examples:
  cufflink health
  cufflink health --ready --wait 30s
  cufflink health --component orders --address unix:/run/cufflink/dapr-shop-http.socket
`,
    );
  command.action(async () => {
    const flags = command.opts<HealthFlags>();
    const question = await readQuestion(flags);
    const answer =
      flags.wait === undefined
        ? await askHealth(question)
        : await askUntilHealthy(question, readDuration("--wait", flags.wait));
    tell(answer, formatAddress(question.endpoint), flags);
    if (!answer.healthy) throw new ExitCode(1);
  });
}

async function readQuestion(flags: HealthFlags) {
  const { ca, insecure, ready, component, timeout } = flags;
  if (ca !== undefined && insecure)
    throw new UsageError("--ca and --insecure contradict each other; say one of them");
  if (ready && component !== undefined)
    throw new UsageError("--ready and --component ask for different things; say one of them");
  return {
    endpoint: readEndpoint(flags, ca !== undefined || insecure === true),
    what: component === undefined ? (ready ? "ready" : "live") : { component },
    ca: ca === undefined ? undefined : await readAuthority(ca),
    insecure: insecure === true,
    token: process.env["DAPR_API_TOKEN"] || undefined,
    timeout: readDuration("--timeout", timeout),
  } as const;
}

function readEndpoint({ address, daprHttpPort }: HealthFlags, withTls: boolean): Endpoint {
  if (address !== undefined && daprHttpPort !== undefined)
    throw new UsageError("--address and --dapr-http-port say the same; say one of them");
  const { DAPR_HTTP_ENDPOINT, DAPR_HTTP_PORT } = process.env;
  const inherited = daprHttpPort === undefined ? DAPR_HTTP_ENDPOINT || undefined : undefined;
  const named = address ?? inherited;
  if (named !== undefined) {
    const endpoint = parseEndpoint(named, withTls);
    if (endpoint !== undefined) return endpoint;
    const what = address === undefined ? "the environment's DAPR_HTTP_ENDPOINT" : "--address";
    throw new UsageError(`${what} ${JSON.stringify(named)} is not ${endpointForms}`);
  }
  const port = daprHttpPort ?? (DAPR_HTTP_PORT || "3500");
  if (/^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) <= 65_535)
    return { host: "127.0.0.1", port: Number(port), secure: withTls, prefix: "" };
  const where =
    daprHttpPort === undefined ? "the environment's DAPR_HTTP_PORT" : "--dapr-http-port";
  throw new UsageError(`${where} ${JSON.stringify(port)} is not a port: a number up to 65535`);
}

function tell(answer: HealthAnswer, address: string, { json }: HealthFlags): void {
  const { healthy, status, reason, took } = answer;
  if (json) writeJson({ healthy, address, status, reason, took: Math.round(took) });
  else if (healthy) process.stdout.write("healthy\n");
  else process.stderr.write(`cufflink: not healthy at ${address}: ${plain(reason)}\n`);
}
