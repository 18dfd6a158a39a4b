import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { SecureContextOptions } from "node:tls";
import { BindingError, messageOf } from "../../errors.ts";
import { readRegularFile } from "../../regular-file.ts";
import { readKubeconfig, type Kubeconfig } from "./kubeconfig.ts";

/** Where the API server is, whom to trust, and who asks, as the files say it now. */
export type KubernetesAccess = {
  readonly url: string;
  readonly tls: SecureContextOptions & {
    readonly rejectUnauthorized?: boolean;
    readonly servername?: string;
  };
  /** `Bearer …` or `Basic …`; `undefined`: a certificate says who asks, or nothing does. */
  readonly authorization: string | undefined;
  /** What of it must not be shown. */
  readonly secret: string | undefined;
  /** The pod's namespace, or that of the kubeconfig's context. */
  readonly namespace: string | undefined;
};

export type Env = Readonly<Record<string, string | undefined>>;

const account = "/var/run/secrets/kubernetes.io/serviceaccount";
const largestFile = 1024 * 1024;

/**
 * Reads the log-in of a Kubernetes API server: the pod's service account; outside of a cluster a kubeconfig: the given one,
 * `KUBECONFIG`, or `~/.kube/config`. As in Dapr the service account comes first, whatever `kubeconfigPath` says. Each reading
 * looks at the files anew, as tokens and certificates are renewed there.
 */
export class KubernetesLogin {
  readonly #kubeconfigPath: string | undefined;
  readonly #env: Env;
  readonly #account: string;
  #parsed: { readonly text: string; readonly config: Kubeconfig } | undefined;

  /** `accountFolder`: where a pod has its service account. */
  constructor(kubeconfigPath: string | undefined, env: Env, accountFolder = account) {
    this.#kubeconfigPath = kubeconfigPath;
    this.#env = env;
    this.#account = accountFolder;
  }

  /** Rejects with a `BindingError` that quotes nothing of the files. */
  async read(): Promise<KubernetesAccess> {
    const host = this.#env["KUBERNETES_SERVICE_HOST"];
    const port = this.#env["KUBERNETES_SERVICE_PORT"];
    if (host && port && existsSync(join(this.#account, "token")))
      return this.#ofPod(`https://${host.includes(":") ? `[${host}]` : host}:${port}`);
    const path =
      this.#kubeconfigPath || this.#env["KUBECONFIG"] || join(homedir(), ".kube", "config");
    try {
      return await this.#ofFile(path);
    } catch (error) {
      throw new BindingError("invalid_argument", `the kubeconfig ${path}: ${messageOf(error)}`);
    }
  }

  async #ofPod(url: string): Promise<KubernetesAccess> {
    try {
      const [ca, token, namespace] = await Promise.all([
        readText(join(this.#account, "ca.crt")),
        readText(join(this.#account, "token")),
        readText(join(this.#account, "namespace")).catch(() => undefined),
      ]);
      return {
        ...{ url, tls: { ca }, authorization: `Bearer ${token}`, secret: token },
        namespace: namespace || undefined,
      };
    } catch (error) {
      // The system swaps these files while they are read.
      const text = `the service account in ${this.#account}: ${messageOf(error)}`;
      throw new BindingError("unavailable", text, { effect: "unsent" });
    }
  }

  async #ofFile(path: string): Promise<KubernetesAccess> {
    const text = await readText(path);
    if (this.#parsed?.text !== text) this.#parsed = { text, config: readKubeconfig(text) };
    const { cluster, user, namespace } = this.#parsed.config;
    const folder = dirname(path);
    const [ca, cert, key, token] = await Promise.all(
      [cluster.ca, user.cert, user.key, user.token].map(async (one) =>
        one !== undefined && "file" in one ? readText(resolve(folder, one.file)) : one?.text,
      ),
    );
    const bearer = token === undefined ? undefined : `Bearer ${token}`;
    return {
      url: cluster.server,
      tls: {
        ...(cluster.isInsecure ? { rejectUnauthorized: false } : ca === undefined ? {} : { ca }),
        ...(cert === undefined ? {} : { cert }),
        ...(key === undefined ? {} : { key }),
        ...(cluster.servername === undefined ? {} : { servername: cluster.servername }),
      },
      authorization: bearer ?? user.basic,
      secret: token ?? user.basic,
      namespace,
    };
  }
}

async function readText(path: string): Promise<string> {
  const bytes = await readRegularFile(path, { largest: largestFile });
  return bytes.toString("utf8").trim();
}
