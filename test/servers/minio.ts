import { existsSync } from "node:fs";
import { join } from "node:path";
import { installedGoProgram, installGoProgram } from "./go-install.ts";
import { parseUrl, portAt, type ServerKind } from "./kind.ts";

const program = {
  name: "minio",
  folder: "minio",
  module: "github.com/minio/minio",
  version: "v0.0.0-20260212201848-7aac2a2c5b7c",
};

/** The day of the release, which the module's version has. */
export const minioVersion = "2026.02.12";

/** MinIO, a store that speaks S3 and checks signatures. Building it takes minutes: for tests of clouds only. */
export const minio: ServerKind<object, object, object> = {
  title: "MinIO",
  variable: "MINIO_URL",
  ports: 2,
  startTimeout: 60_000,
  greeting: {
    question: Buffer.from(
      "GET /minio/health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ),
    isAnswer: (answer) => answer.toString("latin1").startsWith("HTTP/1.1 200"),
  },
  url: (host, port) => `http://${host}:${port}`,
  parse: (value) => parseUrl(value, 9000),
  isInstalled: () => existsSync(installedGoProgram(program)),
  install: () => installGoProgram(program),
  async prepare(place) {
    const { folder, host } = place;
    const address = (index: number): string => `${host}:${portAt(place, index)}`;
    return [
      {
        program: installedGoProgram(program),
        arguments: [
          ...["server", "--quiet", "--address", address(0), "--console-address", address(1)],
          join(folder, "data"),
        ],
        // The user is that of the emulators' tests.
        environment: {
          ...{ MINIO_ROOT_USER: "test", MINIO_ROOT_PASSWORD: "test-secret" },
          ...{ MINIO_UPDATE: "off", MINIO_REGION: "us-east-1" },
        },
      },
    ];
  },
  extras: () => ({}),
  ownExtras: () => ({}),
};
