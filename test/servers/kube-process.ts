// Kubernetes' API server and its etcd: `kube-process.ts PROGRAM HOST PORT ETCD-PORT ETCD-PEER-PORT [FLAG…]`, in the folder that has
// what `kube.ts` wrote. Both end with this process.
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { spawnServer } from "./server-process.ts";

const [program = "", host = "", port = "", etcdPort = "", peerPort = "", ...flags] =
  process.argv.slice(2);
const folder = process.cwd();
const etcdUrl = `http://${host}:${etcdPort}`;
const peerUrl = `http://${host}:${peerPort}`;

const etcd = await spawnServer(
  {
    program,
    arguments: [
      ...["etcd", "--data-dir", `${folder}/etcd`, "--log-level", "warn", "--name", "one"],
      ...["--listen-client-urls", etcdUrl, "--advertise-client-urls", etcdUrl],
      ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
      ...["--initial-cluster", `one=${peerUrl}`, "--unsafe-no-fsync"],
    ],
  },
  folder,
  "etcd.log",
);
const server = await spawnServer(
  {
    program,
    arguments: [
      ...["apiserver", `--etcd-servers=${etcdUrl}`, `--bind-address=${host}`],
      ...[
        `--advertise-address=${host}`,
        `--secure-port=${port}`,
        `--cert-dir=${folder}/certificates`,
      ],
      ...["--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC"],
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${folder}/accounts.key`,
      `--service-account-signing-key-file=${folder}/accounts.key`,
      ...[`--token-auth-file=${folder}/tokens.csv`, "--endpoint-reconciler-type=none"],
      ...flags,
    ],
  },
  folder,
  "apiserver.log",
);

process.once("SIGTERM", () => {
  server.signal("SIGTERM");
  void server.ended.then(() => process.exit(0));
  // Watches that are open hold it up for a minute.
  setTimeout(() => process.exit(0), 3_000);
});
void Promise.race([etcd.ended, server.ended]).then(async (how) => {
  console.log(`one has ${how}`);
  for (const file of ["etcd.log", "apiserver.log"])
    console.log(readFileSync(file, "utf8").split("\n").slice(-15).join("\n"));
  process.exit(1);
});

const token = readFileSync("owner.token", "utf8");
while (!(await isReady())) await pause(100);
console.log("kube is ready");

async function isReady(): Promise<boolean> {
  const asked = request(`https://${host}:${port}/readyz`, {
    ...{ headers: { authorization: `Bearer ${token}` }, rejectUnauthorized: false },
  }).end();
  try {
    const [response] = (await once(asked, "response")) as [
      NodeJS.ReadableStream & { statusCode: number },
    ];
    response.resume();
    return response.statusCode === 200;
  } catch {
    return false;
  }
}
