/** Requests of a stream, which are sent in their order as the server reads them. */
export class OutgoingRequests {
  readonly #waiting: Uint8Array[] = [];
  #more = Promise.withResolvers<void>();
  #isEnded = false;

  send(request: Uint8Array): void {
    this.#waiting.push(request);
    this.#more.resolve();
  }

  end(): void {
    this.#isEnded = true;
    this.#more.resolve();
  }

  async *messages(): AsyncGenerator<Uint8Array> {
    for (;;) {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
        yield next;
      if (this.#isEnded) return;
      await this.#more.promise;
      this.#more = Promise.withResolvers();
    }
  }
}
