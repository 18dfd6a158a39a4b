import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { installPackages } from "./install.ts";
import { parseUrl, portAt } from "./kind.ts";
import type { ServerKind } from "./kind.ts";
import { findProgram } from "./server-process.ts";

export interface PrometheusOptions {
  /** A file of rules, as YAML. */
  readonly rules?: string;
  /** Between two scrapes, and between two evaluations of rules. Default `500ms`. */
  readonly interval?: string;
}

export interface PrometheusExtras {
  /** Scrapes these `host:port`, by their job, from now on. */
  scrape(jobs: Readonly<Record<string, string>>): Promise<void>;
}

/** Prometheus, which keeps exemplars too. */
export const prometheus: ServerKind<PrometheusOptions, object, PrometheusExtras> = {
  title: "Prometheus",
  variable: "PROMETHEUS_URL",
  ports: 1,
  startTimeout: 30_000,
  greeting: {
    question: Buffer.from("GET /-/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    isAnswer: (answer) => answer.includes("HTTP/1.1 200"),
  },
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 9090),
  isInstalled: () =>
    findProgram("prometheus") !== undefined && findProgram("promtool") !== undefined,
  install: () => installPackages("prometheus"),
  async prepare({ folder, ...place }, { rules = "groups: []\n", interval = "500ms" }) {
    const [file, rulesFile] = [join(folder, "prometheus.yml"), join(folder, "rules.yml")];
    await writeFile(rulesFile, rules);
    await writeFile(
      file,
      `global: {scrape_interval: ${interval}, scrape_timeout: ${interval}, evaluation_interval: ${interval}}
rule_files: [${rulesFile}]
scrape_configs:
  - job_name: targets
    file_sd_configs: [{files: [${targetsOf(folder)}], refresh_interval: 1s}]
`,
    );
    return [
      {
        program: findProgram("prometheus") ?? "prometheus",
        arguments: [
          ...[`--config.file=${file}`, `--storage.tsdb.path=${join(folder, "data")}`],
          `--web.listen-address=${place.host}:${portAt({ folder, ...place }, 0)}`,
          "--enable-feature=exemplar-storage",
        ],
      },
    ];
  },
  extras: () => ({}),
  ownExtras: ({ folder }) => ({
    scrape: (jobs) => {
      const groups = Object.entries(jobs).map(([job, target]) => ({
        ...{ targets: [target], labels: { job } },
      }));
      return writeFile(targetsOf(folder), JSON.stringify(groups));
    },
  }),
};

function targetsOf(folder: string): string {
  return join(folder, "targets.json");
}
