import { ByteParts } from "../../memory/byte-parts.ts";

/** What one block of lines of an event stream says. */
export type StreamBlock = {
  /** `undefined`: the block has no data, and is no event. */
  readonly data: Buffer | undefined;
  /** `message` where the block names none. */
  readonly type: string;
  /** The id that the block itself gives, the empty text included; `undefined`: it gives none. */
  readonly id: string | undefined;
  /** The time before a reconnection that the block gives, in milliseconds. */
  readonly retry: number | undefined;
};

const lineFeed = 10;
const carriageReturn = 13;
const colon = 58;
const space = 32;
/** No server needs a longer id, or one that no header can carry. */
const longestId = 4_096;
const newline = Buffer.of(lineFeed);

/**
 * Reads an event stream, as the HTML standard says (9.2, server-sent events), from parts that may end anywhere. The
 * data stay the bytes that came.
 */
export class EventParser {
  /** The beginning of a line whose end has not come. */
  readonly #line = new ByteParts();
  #isFirstLine = true;
  /** The last part ended with CR: a LF that begins the next one belongs to it. */
  #afterReturn = false;
  /** Its lines, parted by LF: however short they are, they take up little more than their bytes. */
  readonly #data = new ByteParts();
  #hasData = false;
  #type = "";
  #id: string | undefined;
  #retry: number | undefined;

  /** How many bytes of a block that is not whole are kept. */
  get held(): number {
    return this.#line.size + this.#data.size + this.#type.length + (this.#id?.length ?? 0);
  }

  /** Takes the next part, and returns the blocks that it completes. What is no whole block at the end is dropped. */
  push(part: Buffer): StreamBlock[] {
    const blocks: StreamBlock[] = [];
    let start = 0;
    if (this.#afterReturn && part.length > 0) {
      this.#afterReturn = false;
      if (part[0] === lineFeed) start = 1;
    }
    let nextReturn = part.indexOf(carriageReturn, start);
    while (start < part.length) {
      if (nextReturn >= 0 && nextReturn < start) nextReturn = part.indexOf(carriageReturn, start);
      const feed = part
        .subarray(0, nextReturn < 0 ? part.length : nextReturn)
        .indexOf(lineFeed, start);
      const end = feed < 0 ? nextReturn : feed;
      if (end < 0) {
        this.#line.add(part.subarray(start));
        break;
      }
      this.#line.add(part.subarray(start, end));
      const block = this.#take(this.#line.whole());
      if (block !== undefined) blocks.push(block);
      start = end + 1;
      if (part[end] !== carriageReturn) continue;
      if (start === part.length) this.#afterReturn = true;
      else if (part[start] === lineFeed) start++;
    }
    return blocks;
  }

  #take(whole: Buffer): StreamBlock | undefined {
    let line = whole;
    if (this.#isFirstLine) {
      this.#isFirstLine = false;
      if (line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf) line = line.subarray(3);
    }
    if (line.length === 0) return this.#end();
    const at = line.indexOf(colon);
    if (at === 0) return undefined;
    const name = line.toString("utf8", 0, at < 0 ? line.length : at);
    const value =
      at < 0 ? line.subarray(line.length) : line.subarray(at + (line[at + 1] === space ? 2 : 1));
    if (name === "data") {
      if (this.#hasData) this.#data.add(newline);
      this.#data.add(value);
      this.#hasData = true;
    } else if (name === "event") this.#type = value.toString("utf8");
    else if (name === "id") {
      const id = value.toString("utf8");
      // oxlint-disable-next-line no-control-regex -- the very characters that no header has
      if (id.length <= longestId && !/[\x00-\x1f\x7f]/.test(id)) this.#id = id;
    } else if (name === "retry") {
      const text = value.toString("latin1");
      if (/^\d+$/.test(text)) this.#retry = Number(text);
    }
    return undefined;
  }

  #end(): StreamBlock | undefined {
    const data = this.#hasData ? this.#data.whole() : undefined;
    const block: StreamBlock = {
      ...{ data, type: this.#type || "message", id: this.#id, retry: this.#retry },
    };
    this.#hasData = false;
    this.#type = "";
    this.#id = undefined;
    this.#retry = undefined;
    const saysSomething = data !== undefined || block.id !== undefined || block.retry !== undefined;
    return saysSomething ? block : undefined;
  }
}
