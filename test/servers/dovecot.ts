import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { installPackages } from "./install.ts";
import { parseUrl, portAt } from "./kind.ts";
import type { Place, ServerKind } from "./kind.ts";
import { findProgram } from "./server-process.ts";

export interface DovecotOptions {
  /** TLS is spoken too: on `tlsPort`, and by STARTTLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Users are those with a password of their own. Default: every name is a user, with {@link imapPassword}. */
  readonly ownPasswords?: boolean;
  /** Where tokens are asked about (RFC 7662): then users log in by tokens too. */
  readonly introspection?: string;
  /** Further lines of `dovecot.conf`, such as `imap_capability = IMAP4rev1`. */
  readonly config?: readonly string[];
}

type OwnDovecot = {
  readonly tlsPort: number;
  /** Of a server with `ownPasswords`. */
  setPassword(user: string, password: string): Promise<void>;
};

/** Every user's. */
export const imapPassword = "opensesame";

/** Dovecot: each user has an INBOX, and may make further mailboxes. */
export const dovecot: ServerKind<DovecotOptions, object, OwnDovecot> = {
  title: "Dovecot",
  variable: "IMAP_URL",
  ports: 2,
  startTimeout: 20_000,
  forks: true,
  greeting: {
    question: Buffer.from("a NOOP\r\n"),
    isAnswer: (answer) => answer.toString("latin1").startsWith("* OK"),
  },
  url: (host, port) => `imap://${host}:${port}`,
  parse: (value) => parseUrl(value, 143),
  isInstalled: () => program() !== undefined && findProgram("/usr/lib/dovecot/imap") !== undefined,
  install: () => installPackages("dovecot-imapd"),
  async prepare(place, options) {
    const { folder, host } = place;
    const isRoot = process.getuid?.() === 0;
    const own = userInfo().username;
    // Mails are written by a user that is not root.
    const owner = isRoot ? { uid: 65_534, gid: 65_534 } : userInfo();
    for (const name of ["run", "state", "mail"])
      await mkdir(join(folder, name), { recursive: true });
    await chmod(folder, 0o755);
    await chown(join(folder, "mail"), owner.uid, owner.gid);
    await writeFile(passwords(place), "", { flag: "a" });
    const internal = isRoot ? ["dovecot", "dovenull"] : [own, own];
    const lines = [
      ...[`base_dir = ${folder}/run`, `state_dir = ${folder}/state`, `instance_name = ${folder}`],
      ...["protocols = imap", `listen = ${host}`, "log_path = /dev/stderr"],
      `default_internal_user = ${internal[0]}`,
      ...(isRoot ? [] : [`default_internal_group = ${own}`]),
      `default_login_user = ${internal[1]}`,
      ...["disable_plaintext_auth = no", "auth_failure_delay = 0", "auth_mechanisms = plain login"],
      ...["first_valid_uid = 1", `mail_location = maildir:${folder}/mail/%u`, "mail_fsync = never"],
      ...["mailbox_list_index = no", "mail_max_userip_connections = 1000"],
      `userdb {\n driver = static\n args = uid=${owner.uid} gid=${owner.gid} home=${folder}/mail/%u\n}`,
      options.ownPasswords === true
        ? `passdb {\n driver = passwd-file\n args = scheme=PLAIN ${passwords(place)}\n}`
        : `passdb {\n driver = static\n args = password=${imapPassword}\n}`,
      "service imap-login {",
      ...(isRoot ? [] : [" chroot ="]),
      ...[" process_limit = 1000", " inet_listener imap {", `  port = ${portAt(place, 0)}`, " }"],
      " inet_listener imaps {",
      `  port = ${options.tls === undefined ? 0 : portAt(place, 1)}\n  ssl = yes`,
      " }\n}",
      "service imap {\n process_limit = 1000\n}",
      ...(isRoot ? [] : ["service anvil {\n chroot =\n}", "service stats {\n chroot =\n}"]),
      ...(await tlsLines(place, options)),
      ...(await tokenLines(place, options)),
      ...(options.config ?? []),
    ];
    const file = join(folder, "dovecot.conf");
    await writeFile(file, `${lines.join("\n")}\n`);
    return [{ program: program() ?? "dovecot", arguments: ["-F", "-c", file] }];
  },
  extras: () => ({}),
  ownExtras: (place) => {
    const users = new Map<string, string>();
    return {
      tlsPort: portAt(place, 1),
      async setPassword(user, password) {
        users.set(user, password);
        const lines = [...users].map(([name, secret]) => `${name}:${secret}\n`);
        await writeFile(passwords(place), lines.join(""));
      },
    };
  },
};

async function tlsLines(place: Place, { tls }: DovecotOptions): Promise<string[]> {
  if (tls === undefined) return ["ssl = no"];
  const [cert, key] = [join(place.folder, "server.crt"), join(place.folder, "server.key")];
  await writeFile(cert, tls.cert);
  await writeFile(key, tls.key);
  return ["ssl = yes", `ssl_cert = <${cert}`, `ssl_key = <${key}`];
}

async function tokenLines(place: Place, { introspection }: DovecotOptions): Promise<string[]> {
  if (introspection === undefined) return [];
  const file = join(place.folder, "oauth2.conf");
  const lines = [
    ...[`introspection_url = ${introspection}`, "introspection_mode = post"],
    ...["username_attribute = username", "active_attribute = active", "active_value = true"],
    "force_introspection = yes",
  ];
  await writeFile(file, `${lines.join("\n")}\n`);
  return [
    "auth_mechanisms = plain login xoauth2 oauthbearer",
    `passdb {\n driver = oauth2\n mechanisms = xoauth2 oauthbearer\n args = ${file}\n}`,
  ];
}

function passwords({ folder }: Place): string {
  return join(folder, "passwords");
}

/** Debian keeps it where only root looks. */
function program(): string | undefined {
  return findProgram("/usr/sbin/dovecot", "dovecot");
}
