import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The region that the environment names, or its profile; `undefined`: neither does. */
export function environmentRegion(
  environment: NodeJS.ProcessEnv = process.env,
): string | undefined {
  return (
    environment["AWS_REGION"] ||
    environment["AWS_DEFAULT_REGION"] ||
    profileSetting("region", environment)
  );
}

/** A setting of the profile in use, in the shared configuration file. */
function profileSetting(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  const file = environment["AWS_CONFIG_FILE"] || join(homedir(), ".aws", "config");
  const profile = environment["AWS_PROFILE"] || "default";
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  let isWanted = false;
  for (const line of text.split(/\r?\n/)) {
    const section = /^\s*\[\s*(?:profile\s+)?([^\]]+?)\s*\]/.exec(line)?.[1];
    if (section !== undefined) isWanted = section.replaceAll(/["']/g, "") === profile;
    else if (isWanted) {
      const [, key, value] = /^([^\s=#;]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (key === name && value) return value;
    }
  }
  return undefined;
}

/** The part of AWS that a region is in, by how its name begins; every other one is `amazonaws.com`. */
const domains: readonly (readonly [string, { readonly plain: string; readonly dual: string }])[] = [
  ["cn-", { plain: "amazonaws.com.cn", dual: "api.amazonwebservices.com.cn" }],
  ["us-iso-", { plain: "c2s.ic.gov", dual: "api.aws.ic.gov" }],
  ["us-isob-", { plain: "sc2s.sgov.gov", dual: "api.aws.scloud" }],
  ["eu-isoe-", { plain: "cloud.adc-e.uk", dual: "api.cloud-aws.adc-e.uk" }],
  ["us-isof-", { plain: "csp.hci.ic.gov", dual: "api.aws.hci.ic.gov" }],
  ["eusc-", { plain: "amazonaws.eu", dual: "api.amazonwebservices.eu" }],
];
const usual = { plain: "amazonaws.com", dual: "api.aws" };

export type EndpointWish = {
  /** The first part of the service's host, as `sqs`. */
  readonly host: string;
  /** The service in `AWS_ENDPOINT_URL_…`, as `SQS`. */
  readonly variable: string;
  readonly region: string;
  /** What the component says. */
  readonly endpoint?: string | undefined;
};

/**
 * The base URL of a service: what the component says, `AWS_ENDPOINT_URL_SERVICE`, `AWS_ENDPOINT_URL`, or AWS itself, as
 * `AWS_USE_FIPS_ENDPOINT` and `AWS_USE_DUALSTACK_ENDPOINT` wish.
 */
export function endpointOf(
  { host, variable, region, endpoint }: EndpointWish,
  environment: NodeJS.ProcessEnv = process.env,
): string {
  const configured = configuredEndpoint(variable, endpoint, environment);
  if (configured !== undefined) return configured;
  const domain = domains.find(([start]) => region.startsWith(start))?.[1] ?? usual;
  const fips = isTrue(environment["AWS_USE_FIPS_ENDPOINT"]) ? "-fips" : "";
  const dual = isTrue(environment["AWS_USE_DUALSTACK_ENDPOINT"]);
  return `https://${host}${fips}.${region}.${dual ? domain.dual : domain.plain}`;
}

/** Whether a base URL, or a host, is AWS's own: of a service, of a VPC endpoint, of any part of AWS. */
export function isOfAws(endpoint: string): boolean {
  const host = /^(?:[a-z]+:\/\/)?([^/:]+)/i.exec(endpoint)?.[1]?.toLowerCase() ?? "";
  const all = [usual, ...domains.map(([, names]) => names)];
  return all.some(({ plain, dual }) => host.endsWith(`.${plain}`) || host.endsWith(`.${dual}`));
}

/** An endpoint that is not AWS's own; `undefined`: none was wished. */
export function configuredEndpoint(
  variable: string,
  endpoint: string | undefined,
  environment: NodeJS.ProcessEnv = process.env,
): string | undefined {
  const ignored = isTrue(environment["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]);
  const wished =
    endpoint ||
    (ignored
      ? undefined
      : environment[`AWS_ENDPOINT_URL_${variable}`] || environment["AWS_ENDPOINT_URL"]);
  return wished?.replace(/\/+$/, "") || undefined;
}

/** A region is part of a host's name: nothing else may come in by it. */
export function isRegion(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(text);
}

function isTrue(text: string | undefined): boolean {
  return text?.toLowerCase() === "true";
}
