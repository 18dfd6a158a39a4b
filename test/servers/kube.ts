import { generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildGoProgram, goProgram } from "./go-program.ts";
import { parseUrl, portAt, type ServerKind } from "./kind.ts";

/** Of go.mod. */
const version = "v1.34.4";

interface KubeExtras {
  /** The token of who may do everything. */
  readonly ownerToken: string;
  /** The token of `watcher`, who may do what roles allow. */
  readonly watcherToken: string;
  /** Where its etcd speaks. */
  readonly etcdUrl: string;
  /** The PEM certificate that the server shows. */
  readonly certificate: string;
}

export interface KubeOptions {
  /** Pods get a token of their service account, as in a cluster; their namespace must have one, named `default`. */
  readonly serviceAccounts?: boolean;
}

/** Kubernetes' API server with etcd, without anything that runs pods. Building it takes minutes: for tests of clouds only. */
export const kube: ServerKind<KubeOptions, object, KubeExtras> = {
  title: "Kubernetes' API server",
  variable: "KUBERNETES_URL",
  ports: 3,
  startTimeout: 120_000,
  greeting: {
    question: Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    // It wants TLS, and says so.
    isAnswer: (answer) => answer.toString("latin1").startsWith("HTTP/1."),
  },
  startedLine: /^kube is ready/m,
  url: (host, port) => `https://${host}:${port}`,
  parse: (value) => parseUrl(value, 443),
  isInstalled: () => existsSync(goProgram("kube")),
  install: () =>
    buildGoProgram("kube", {
      ldflags: `-X k8s.io/component-base/version.gitVersion=${version}`,
      timeout: 1_800_000,
    }),
  async prepare(place, { serviceAccounts = false }) {
    const { host, folder } = place;
    if (!existsSync(join(folder, "tokens.csv"))) {
      const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
      const pem = privateKey.export({ type: "pkcs1", format: "pem" });
      await writeFile(join(folder, "accounts.key"), pem);
      const line = (name: string, groups: string): string => {
        const token = randomBytes(24).toString("hex");
        writeFileSync(join(folder, `${name}.token`), token);
        return `${token},${name},${name}${groups}\n`;
      };
      const lines = [line("owner", ",system:masters"), line("watcher", "")];
      await writeFile(join(folder, "tokens.csv"), lines.join(""));
    }
    const ports = [portAt(place, 0), portAt(place, 1), portAt(place, 2)].map(String);
    const program = join(import.meta.dirname, "kube-process.ts");
    const plugins = serviceAccounts ? [] : ["--disable-admission-plugins=ServiceAccount"];
    const given = [program, goProgram("kube"), host, ...ports, ...plugins];
    return [{ program: process.execPath, arguments: given }];
  },
  extras: () => ({}),
  ownExtras: (place) => {
    const text = (name: string): string => readFileSync(join(place.folder, name), "utf8");
    return {
      etcdUrl: `http://${place.host}:${portAt(place, 1)}`,
      get ownerToken() {
        return text("owner.token");
      },
      get watcherToken() {
        return text("watcher.token");
      },
      get certificate() {
        return text("certificates/apiserver.crt");
      },
    };
  },
};
