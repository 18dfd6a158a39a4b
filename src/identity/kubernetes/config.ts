import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { BindingError, messageOf } from "../../errors.ts";
import { readRegularFile } from "../../regular-file.ts";
import type { SecureContextOptions } from "node:tls";

/** Where the API server is, whom to trust, and who asks. */
export type KubernetesConfig = {
  readonly url: string;
  readonly tls: SecureContextOptions & {
    readonly rejectUnauthorized?: boolean;
    readonly servername?: string;
  };
  /** A token; read anew for each request, as the system renews the file. */
  readonly token: () => Promise<string | undefined>;
  /** `Basic …`, or nothing. */
  readonly basic: string | undefined;
};

const account = "/var/run/secrets/kubernetes.io/serviceaccount";
const largestFile = 1024 * 1024;

type Env = Readonly<Record<string, string | undefined>>;

/**
 * The pod's service account; outside of a cluster a kubeconfig: the given one, `KUBECONFIG`, or `~/.kube/config`. As in
 * Dapr the service account comes first, whatever `kubeconfigPath` says.
 */
export async function kubernetesConfig(
  kubeconfigPath: string | undefined,
  env: Env,
): Promise<KubernetesConfig> {
  const host = env["KUBERNETES_SERVICE_HOST"];
  const port = env["KUBERNETES_SERVICE_PORT"];
  if (host && port && existsSync(join(account, "token"))) {
    const ca = await readText(join(account, "ca.crt"));
    const url = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
    return { url, tls: { ca }, token: () => readText(join(account, "token")), basic: undefined };
  }
  const path = kubeconfigPath || env["KUBECONFIG"] || join(homedir(), ".kube", "config");
  try {
    return await fromFile(path);
  } catch (error) {
    throw new BindingError("invalid_argument", `the kubeconfig ${path}: ${messageOf(error)}`);
  }
}

async function fromFile(path: string): Promise<KubernetesConfig> {
  const config = parseConfig(await readText(path));
  const current = textAt(config, "current-context");
  const context = member(named(config, "contexts", current), "context");
  const cluster = member(named(config, "clusters", textAt(context, "cluster")), "cluster");
  const user = member(named(config, "users", textAt(context, "user")), "user");
  const url = textAt(cluster, "server");
  if (url === undefined) throw new Error("its cluster has no server");
  for (const name of ["exec", "auth-provider"]) {
    if (member(user, name) === undefined) continue;
    throw new Error(`users by ${name}, which run programs, are not supported; give a token`);
  }
  const folder = dirname(path);
  const material = async (object: unknown, name: string): Promise<string | undefined> => {
    const data = textAt(object, `${name}-data`);
    if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
    const file = textAt(object, name);
    return file === undefined ? undefined : readText(resolve(folder, file));
  };
  const [ca, cert, key] = await Promise.all([
    material(cluster, "certificate-authority"),
    material(user, "client-certificate"),
    material(user, "client-key"),
  ]);
  const servername = textAt(cluster, "tls-server-name");
  const isInsecure = member(cluster, "insecure-skip-tls-verify") === true;
  const tokenFile = textAt(user, "tokenFile");
  const token = textAt(user, "token");
  const [name, password] = [textAt(user, "username"), textAt(user, "password")];
  return {
    url,
    tls: {
      ...(isInsecure ? { rejectUnauthorized: false } : ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(servername === undefined ? {} : { servername }),
    },
    token: async () => (tokenFile ? readText(resolve(folder, tokenFile)) : token),
    basic:
      name === undefined
        ? undefined
        : `Basic ${Buffer.from(`${name}:${password ?? ""}`).toString("base64")}`,
  };
}

function parseConfig(text: string): unknown {
  try {
    return parse(text);
  } catch {
    // The parser's message quotes the file, which has tokens.
    throw new Error("it is not valid YAML");
  }
}

function named(config: unknown, list: string, name: string | undefined): unknown {
  const all = member(config, list);
  const found = Array.isArray(all) && all.find((one) => member(one, "name") === name);
  if (!found || name === undefined)
    throw new Error(`it has no entry ${JSON.stringify(name ?? "")} in ${list}`);
  return found;
}

function textAt(object: unknown, name: string): string | undefined {
  const value = member(object, name);
  return typeof value === "string" && value !== "" ? value : undefined;
}

async function readText(path: string): Promise<string> {
  const bytes = await readRegularFile(path, { largest: largestFile });
  return bytes.toString("utf8").trim();
}

function member(object: unknown, name: string): unknown {
  if (typeof object !== "object" || object === null) return undefined;
  return Object.entries(object).find(([own]) => own === name)?.[1];
}
