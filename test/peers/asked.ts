import { onAsked, say } from "./said.ts";

/** Names and values; those whose names end in `-bin` are base64 here. */
export type Entries = readonly (readonly [string, string])[];

/** What a client is asked to do. */
export type Asked = {
  readonly id: number;
  /** `many` is so many calls of `unary`. */
  readonly op: "unary" | "collect" | "expand" | "chat" | "many";
  /** Default: the test service's method of that name. */
  readonly path?: string;
  readonly metadata?: Entries;
  /** In base64. Default: `count` messages of `size` bytes. */
  readonly messages?: readonly string[];
  readonly size?: number;
  readonly count?: number;
  /** Of `many`. Default: all at one time. */
  readonly concurrency?: number;
  /** The deadline, in milliseconds. */
  readonly timeout?: number;
  readonly gzip?: boolean;
  /** Cancels the call after so many answers. */
  readonly cancelAfter?: number;
};

/** What a call came to. */
export type Told = {
  readonly code: number;
  readonly text: string;
  /** An encoded `google.rpc.Status`, in base64. */
  readonly details?: string;
  /** The messages that came, and their bytes. */
  readonly count: number;
  readonly bytes: number;
  /** Whether they are those that were sent. */
  readonly same: boolean;
  /** The first message of at most 4 KiB, in base64. */
  readonly first?: string;
  readonly headers?: Entries;
  readonly trailers?: Entries;
};

/** What many calls came to. */
export type ManyTold = {
  /** How many ended with each status code. */
  readonly codes: Readonly<Record<string, number>>;
  readonly bytes: number;
  readonly same: boolean;
  /** The first few errors. */
  readonly text: readonly string[];
};

/** A program of this repo that answers as those in other languages do. */
export function answerAsked(run: (asked: Asked) => Promise<Told>): void {
  onAsked((question) => {
    const asked = question as Asked;
    const answer = asked.op === "many" ? many(run, asked) : run(asked);
    void answer.then((told) => say({ id: asked.id, ...told }));
  });
}

async function many(run: (asked: Asked) => Promise<Told>, asked: Asked): Promise<ManyTold> {
  const { count = 1, concurrency = count } = asked;
  const codes: Record<string, number> = {};
  const text: string[] = [];
  let bytes = 0;
  let same = true;
  let left = count;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const told = await run({ ...asked, op: "unary", count: 1 });
      codes[told.code] = (codes[told.code] ?? 0) + 1;
      bytes += told.bytes;
      same &&= told.same;
      if (told.code !== 0 && text.length < 3) text.push(told.text);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return { codes, bytes, same, text };
}

export function pathOf({ op, path }: Asked): string {
  return path ?? `/cufflink.peers.Peer/${op[0]?.toUpperCase()}${op.slice(1)}`;
}

export function requestsOf({ messages, size = 0, count = 1 }: Asked): Buffer[] {
  if (messages !== undefined) return messages.map(fromBase64);
  const message = Buffer.alloc(size);
  for (let at = 0; at < size; at++) message[at] = at % 251;
  return Array.from({ length: count }, () => message);
}

export function fromBase64(text: string): Buffer {
  return Buffer.from(text, "base64");
}

/** Compares what came with what was sent. */
export class Outcome {
  readonly #sent: readonly Buffer[];
  #count = 0;
  #bytes = 0;
  #same = true;
  #first: string | undefined;

  constructor(sent: readonly Buffer[]) {
    this.#sent = sent;
  }

  take(message: Uint8Array): void {
    const sent = this.#sent[this.#count];
    this.#same &&= sent !== undefined && sent.equals(message);
    this.#count++;
    this.#bytes += message.length;
    if (message.length <= 4096) this.#first ??= Buffer.from(message).toString("base64");
  }

  get told(): Pick<Told, "count" | "bytes" | "same" | "first"> {
    return {
      ...{ count: this.#count, bytes: this.#bytes, same: this.#same },
      ...(this.#first !== undefined && { first: this.#first }),
    };
  }
}
