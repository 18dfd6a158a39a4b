import { createConnection } from "node:net";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installPackages } from "../servers/install.ts";
import { reservePort } from "../servers/ports.ts";
import { findProgram, spawnServer, type ServerProcess } from "../servers/server-process.ts";
import { until } from "../until.ts";

type Ports = { readonly plain: number; readonly secure: number };
type Upstream = { readonly port: number; readonly secure: boolean };
type Files = { readonly certPath: string; readonly keyPath: string; readonly caPath: string };

/** A proxy of the distribution, between a client and a server of gRPC. */
export type ProxyKind = {
  readonly name: string;
  /** The package. */
  readonly package: string;
  readonly program: string;
  /** Its configuration, which takes calls in cleartext and with TLS. */
  readonly config: (folder: string, ports: Ports, upstream: Upstream, files: Files) => string;
  readonly command: (config: string, folder: string) => readonly string[];
  /** What makes it read its configuration anew while calls go on. */
  readonly reload: NodeJS.Signals;
};

export const proxyKinds: readonly ProxyKind[] = [
  {
    ...{ name: "nginx", package: "nginx", program: "nginx", reload: "SIGHUP" },
    command: (config, folder) => ["-e", join(folder, "error.log"), "-c", config, "-p", folder],
    config: (folder, ports, { port, secure }, files) => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  client_max_body_size 0;
  grpc_buffer_size 64k;
  large_client_header_buffers 4 32k;
  http2_max_requests 1000000;
  keepalive_requests 1000000;
  upstream servers { server 127.0.0.1:${port}; keepalive 32; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${ports.plain} http2;
    listen 127.0.0.1:${ports.secure} ssl http2;
    ssl_certificate ${files.certPath};
    ssl_certificate_key ${files.keyPath};
    location / {
      grpc_pass ${secure ? "grpcs" : "grpc"}://servers;
      grpc_read_timeout 300s;
      grpc_send_timeout 300s;
      ${secure ? `grpc_ssl_trusted_certificate ${files.caPath}; grpc_ssl_verify on; grpc_ssl_name localhost;` : ""}
    }
  }
}
`,
  },
  {
    ...{ name: "HAProxy", package: "haproxy", program: "haproxy", reload: "SIGUSR2" },
    // As a master, which starts a new worker at a reload and lets the old one end its calls.
    command: (config) => ["-W", "-db", "-f", config],
    config: (folder, ports, { port, secure }, files) => `
global
  maxconn 2000
  stats socket ${folder}/haproxy.sock level admin expose-fd listeners
  hard-stop-after 60s
defaults
  mode http
  timeout connect 10s
  timeout client 300s
  timeout server 300s
frontend calls
  bind 127.0.0.1:${ports.plain} proto h2
  bind 127.0.0.1:${ports.secure} ssl crt ${folder}/both.pem alpn h2
  default_backend servers
backend servers
  server one 127.0.0.1:${port} ${secure ? `ssl verify required ca-file ${files.caPath} verifyhost localhost alpn h2` : "proto h2"}
`,
  },
  {
    ...{ name: "nghttpx", package: "nghttp2-proxy", program: "nghttpx", reload: "SIGHUP" },
    command: (config) => [`--conf=${config}`],
    config: (folder, ports, { port, secure }, files) => `
frontend=127.0.0.1,${ports.plain};no-tls
frontend=127.0.0.1,${ports.secure}
backend=127.0.0.1,${port};;proto=h2${secure ? ";tls;sni=localhost" : ""}
private-key-file=${files.keyPath}
certificate-file=${files.certPath}
cacert=${files.caPath}
http2-proxy=no
workers=1
errorlog-file=${folder}/error.log
accesslog-file=/dev/null
frontend-http2-window-size=1048575
frontend-http2-connection-window-size=16777215
backend-http2-window-size=1048575
backend-http2-connection-window-size=16777215
request-header-field-buffer=65536
`,
  },
];

export type Proxy = AsyncDisposable &
  Ports & {
    /** Reads its configuration anew; resolves once it was asked to. */
    reload(): void;
    /** What it wrote. */
    readonly log: string;
  };

/** Starts a proxy. */
export async function startProxy(
  kind: ProxyKind,
  upstream: Upstream,
  files: Files,
): Promise<Proxy> {
  if (findProgram(kind.program) === undefined) await installPackages(kind.package);
  const folder = mkdtempSync(join(tmpdir(), `cufflink-${kind.program}-`));
  const ports = { plain: await reservePort(), secure: await reservePort() };
  const config = join(folder, "proxy.conf");
  const both = [files.certPath, files.keyPath].map((path) => readFileSync(path, "utf8"));
  await writeFile(join(folder, "both.pem"), both.join(""));
  await writeFile(config, kind.config(folder, ports, upstream, files));
  const log = join(folder, "log");
  const program = findProgram(kind.program) ?? kind.program;
  const command = { program, arguments: kind.command(config, folder) };
  const server: ServerProcess = await spawnServer(command, folder, log);
  await until(() => server.gone || accepts(ports.plain), { what: `${kind.name}, see ${log}` });
  return {
    ...ports,
    log,
    reload: () => server.signal(kind.reload),
    async [Symbol.asyncDispose]() {
      server.signal("SIGTERM");
      const timer = setTimeout(() => server.signal("SIGKILL"), 5000);
      await server.ended;
      clearTimeout(timer);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: "127.0.0.1" });
    const told = (is: boolean) => () => {
      socket.destroy();
      resolve(is);
    };
    socket.once("connect", told(true));
    socket.once("error", told(false));
  });
}
