import {
  closedAtLook,
  connectionOverhead,
  lookInterval,
  looksToWait,
  smallestHolder,
} from "./limits.ts";

/** Where connections ask before they hold what others have sent, or have not taken. */
export type ConnectionMemory = {
  /** Counts so many bytes, if there is room for them. */
  reserve(bytes: number): boolean;
  /** Counts bytes that are there already; negative ones are there no more. */
  add(bytes: number): void;
  /** There is room for nothing more. */
  readonly isFull: boolean;
  /**
   * More is counted than there is room for, by so much that refusing does not do. Whoever only fills it up is not cut off for
   * that. Default: as soon as it is full.
   */
  readonly isOverdrawn?: boolean;
};

/** A connection as its group sees it. */
export type GroupMember = {
  /** Bytes that it makes others hold: what it has sent and nobody has read, and what it does not take. */
  readonly held: number;
  /** It holds hardly less than {@link looksToWait} looks ago, and little of it was moved meanwhile. */
  readonly isStuck: boolean;
  /** Bytes that it holds because the other side does not go on: of requests that are not whole, and of answers that are not read. */
  owed(): number;
  /** Called each {@link lookInterval}. */
  look(): void;
  /** Closes it for what it holds. */
  giveUp(): void;
};

/** Connections that share a memory, and are looked after by one timer. */
export class ConnectionGroup<Member extends GroupMember = GroupMember> {
  readonly connections: Set<Member> = new Set();
  readonly #memory: ConnectionMemory | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isRelieving = false;
  /** Something was refused since the last look; and how many looks on end something was. */
  #isRefusing = false;
  #refusingLooks = 0;

  /** Without a memory nothing is refused. */
  constructor(memory?: ConnectionMemory) {
    this.#memory = memory;
  }

  add(connection: Member): void {
    this.connections.add(connection);
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#look(), lookInterval);
    this.#timer.unref();
  }

  remove(connection: Member): void {
    this.connections.delete(connection);
    if (this.connections.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** As {@link ConnectionMemory.reserve}. */
  reserve(bytes: number): boolean {
    const memory = this.#memory;
    if (memory === undefined || memory.reserve(bytes)) return true;
    this.#isRefusing = true;
    this.#relieveLater();
    return false;
  }

  /** Counts bytes that cannot be refused any more. When there are too many, the connection that holds most is closed. */
  count(bytes: number): void {
    const memory = this.#memory;
    if (memory === undefined) return;
    memory.add(bytes);
    if (bytes > 0 && this.#isOverdrawn) this.#relieveLater();
  }

  get #isOverdrawn(): boolean {
    const memory = this.#memory;
    return memory !== undefined && (memory.isOverdrawn ?? memory.isFull);
  }

  #relieveLater(): void {
    if (this.#isRelieving) return;
    this.#isRelieving = true;
    setImmediate(() => {
      this.#isRelieving = false;
      if (this.#isOverdrawn) this.#relieve();
    });
  }

  #relieve(): void {
    let largest: Member | undefined;
    for (const one of this.connections) {
      if (largest === undefined || one.held > largest.held) largest = one;
    }
    if (largest === undefined || largest.held < smallestHolder) return;
    largest.giveUp();
    if (this.#isOverdrawn) this.#relieveLater();
  }

  #look(): void {
    for (const one of this.connections) one.look();
    this.#refusingLooks = this.#isRefusing ? this.#refusingLooks + 1 : 0;
    this.#isRefusing = false;
    if (this.#refusingLooks >= looksToWait) this.#relieveStuck();
  }

  /**
   * Closes some of the connections whose other side owes most, however little each of them holds: many can fill a memory too,
   * and none of them makes room by itself.
   */
  #relieveStuck(): void {
    const owing = [...this.connections]
      .filter(({ isStuck }) => isStuck)
      .map((one) => ({ one, bytes: one.owed() }))
      .filter(({ bytes }) => bytes > connectionOverhead)
      .sort((one, other) => other.bytes - one.bytes);
    const count = Math.ceil(this.connections.size * closedAtLook);
    for (const { one } of owing.slice(0, count)) one.giveUp();
  }
}
