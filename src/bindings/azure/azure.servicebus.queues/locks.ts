import type { ReceivingLink } from "../../../amqp-client/receiving-link.ts";
import { BindingError } from "../../../errors.ts";
import { statusOf, type NamespaceConnection } from "../messaging-namespace.ts";

/** The lock of a message, by its delivery tag, or of a session. */
export type Lock =
  | { readonly tag: Buffer; readonly link: ReceivingLink }
  | { readonly session: string; readonly link: ReceivingLink };

/** Milliseconds. Clocks differ: what a lock says of its end is believed within these. */
const shortestLock = 5000;
const longestLock = 300_000;
const renewalTimeout = 15_000;

/** How long a lock is held before it is renewed or given up, in milliseconds; it is renewed in each third of that. */
export function lockDuration(until: number | undefined, renewalInSec: number): number {
  const remaining = until === undefined ? 30_000 : until - Date.now();
  const believed = Math.min(longestLock, Math.max(shortestLock, remaining));
  return renewalInSec === 0 ? believed : Math.min(believed, renewalInSec * 3000);
}

/** The session that the service has given the link, as far as it tells. */
export function sessionOf(link: ReceivingLink): string | undefined {
  const told = link.raw.source?.filter?.["com.microsoft:session-filter"];
  const session: unknown =
    typeof told === "object" && told !== null && "value" in told ? told.value : told;
  return typeof session === "string" ? session : undefined;
}

/** When the lock of the link's session ends that it was given. It is told in .NET's ticks since the year 1. */
function sessionLockedUntil(link: ReceivingLink): number | undefined {
  const ticks = link.raw.remote.attach?.properties?.["com.microsoft:locked-until-utc"];
  if (!Buffer.isBuffer(ticks) || ticks.length !== 8) return undefined;
  return Number((ticks.readBigInt64BE() - 621_355_968_000_000_000n) / 10_000n);
}

/** Renews locks by the queue's management node. */
export class LockRenewal {
  readonly #namespace: NamespaceConnection;
  readonly #queue: string;
  /** Renewals of sessions that are under way: each of their messages asks for one. */
  readonly #sessions = new Map<ReceivingLink, Promise<void>>();

  constructor(namespace: NamespaceConnection, queue: string) {
    this.#namespace = namespace;
    this.#queue = queue;
  }

  /** Rejects with a `BindingError` that is `rejected` where the lock is lost. */
  renew(lock: Lock): Promise<void> {
    const { ended } = lock.link;
    if (ended !== undefined) return Promise.reject(lostLock(ended.message, ended.systemCode));
    if ("tag" in lock) {
      const token = uuidOf(lock.tag);
      if (token === undefined) return Promise.reject(lostLock("the message has no lock token"));
      const { types } = this.#namespace.driver.rhea;
      return this.#ask(lock.link, "com.microsoft:renew-lock", {
        "lock-tokens": types.wrap_array([token], 0x98),
      });
    }
    const known = this.#sessions.get(lock.link);
    if (known !== undefined) return known;
    const renewal = this.#ask(lock.link, "com.microsoft:renew-session-lock", {
      "session-id": lock.session,
    }).finally(() => this.#sessions.delete(lock.link));
    this.#sessions.set(lock.link, renewal);
    return renewal;
  }

  /** Renews the lock of the link's session as long as the link lasts, also between messages. */
  keep(link: ReceivingLink, renewalInSec: number, lost: () => void): void {
    const session = sessionOf(link);
    if (session === undefined || renewalInSec === 0) return;
    const duration = lockDuration(sessionLockedUntil(link), renewalInSec);
    const timer = setInterval(() => {
      if (link.ended !== undefined) return clearInterval(timer);
      this.renew({ session, link }).catch((error: unknown) => {
        if (error instanceof BindingError && error.effect === "rejected") lost();
      });
    }, duration / 3);
    timer.unref();
  }

  async #ask(link: ReceivingLink, operation: string, body: object): Promise<void> {
    const signal = AbortSignal.timeout(renewalTimeout);
    const node = await this.#namespace.management(
      this.#queue,
      `${this.#queue}/$management`,
      signal,
    );
    const timeout = this.#namespace.driver.rhea.types.wrap_uint(renewalTimeout);
    const { properties } = await node.request(
      {
        operation,
        "com.microsoft:server-timeout": timeout,
        "associated-link-name": link.raw.name,
      },
      body,
      signal,
    );
    const { code, text, condition } = statusOf(properties);
    if (code >= 200 && code < 300) return;
    if (code === 410 || code === 404 || condition?.endsWith("lock-lost") === true)
      throw lostLock(text, condition ?? String(code));
    throw new BindingError("unavailable", `the lock was not renewed: ${text} (${code})`, {
      effect: "ambiguous",
      systemCode: condition ?? String(code),
    });
  }
}

function lostLock(why: string, systemCode?: string): BindingError {
  return new BindingError("failed_precondition", `the lock is lost: ${why}`, { systemCode });
}

/** Delivery tags are GUIDs in .NET's order of bytes, lock tokens UUIDs. */
function uuidOf(tag: Buffer): Buffer | undefined {
  if (tag.length !== 16) return undefined;
  const uuid = Buffer.from(tag);
  uuid.subarray(0, 4).reverse();
  uuid.subarray(4, 6).reverse();
  uuid.subarray(6, 8).reverse();
  return uuid;
}
