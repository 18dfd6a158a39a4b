import { parse } from "yaml";

/** A text, or the file that has it. */
export type Material = { readonly text: string } | { readonly file: string };

/** What the current context of a kubeconfig says. */
export type Kubeconfig = {
  readonly cluster: {
    readonly server: string;
    readonly ca: Material | undefined;
    readonly isInsecure: boolean;
    readonly servername: string | undefined;
  };
  readonly user: {
    readonly cert: Material | undefined;
    readonly key: Material | undefined;
    readonly token: Material | undefined;
    /** `Basic …`, or nothing. */
    readonly basic: string | undefined;
  };
  readonly namespace: string | undefined;
};

/** Reads a kubeconfig. Throws an error that quotes nothing of it, as it has tokens. */
export function readKubeconfig(text: string): Kubeconfig {
  const config = parseConfig(text);
  const current = textAt(config, "current-context");
  const context = member(named(config, "contexts", current), "context");
  const cluster = member(named(config, "clusters", textAt(context, "cluster")), "cluster");
  const user = member(named(config, "users", textAt(context, "user")), "user");
  const server = textAt(cluster, "server");
  if (server === undefined) throw new Error("its cluster has no server");
  for (const name of ["exec", "auth-provider"]) {
    if (member(user, name) === undefined) continue;
    throw new Error(`users by ${name}, which run programs, are not supported; give a token`);
  }
  const [name, password] = [textAt(user, "username"), textAt(user, "password")];
  const tokenFile = textAt(user, "tokenFile");
  const token = textAt(user, "token");
  return {
    cluster: {
      server,
      ca: material(cluster, "certificate-authority"),
      isInsecure: member(cluster, "insecure-skip-tls-verify") === true,
      servername: textAt(cluster, "tls-server-name"),
    },
    user: {
      cert: material(user, "client-certificate"),
      key: material(user, "client-key"),
      token:
        tokenFile !== undefined
          ? { file: tokenFile }
          : token === undefined
            ? undefined
            : { text: token },
      basic:
        name === undefined
          ? undefined
          : `Basic ${Buffer.from(`${name}:${password ?? ""}`).toString("base64")}`,
    },
    namespace: textAt(context, "namespace"),
  };
}

function material(object: unknown, name: string): Material | undefined {
  const data = textAt(object, `${name}-data`);
  if (data !== undefined) return { text: Buffer.from(data, "base64").toString("utf8") };
  const file = textAt(object, name);
  return file === undefined ? undefined : { file };
}

function parseConfig(text: string): unknown {
  try {
    return parse(text);
  } catch {
    // The parser's message quotes the file.
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

function member(object: unknown, name: string): unknown {
  if (typeof object !== "object" || object === null) return undefined;
  return Object.entries(object).find(([own]) => own === name)?.[1];
}
