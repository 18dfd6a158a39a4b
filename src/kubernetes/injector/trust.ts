import { messageOf } from "../../errors.ts";
import { mergedBundle } from "./bundle.ts";
import { makeCertificate, type ServerCertificate } from "./certificate.ts";

/** What the API server knows of the webhook. */
export type Webhooks = {
  readonly resourceVersion: string;
  /** The `caBundle` of each webhook, as PEM. */
  readonly bundles: readonly string[];
};

/** The one MutatingWebhookConfiguration of the injector. */
export interface WebhookConfiguration {
  /** Rejects where it is not there or may not be read. */
  read(signal: AbortSignal): Promise<Webhooks>;
  /** Resolves to `false` where it was changed since it was read. */
  write(webhooks: Webhooks, signal: AbortSignal): Promise<boolean>;
}

export type TrustOptions = {
  readonly configuration: WebhookConfiguration;
  readonly hosts: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Shows the certificate from now on. */
  readonly show: (certificate: ServerCertificate) => void;
  /** Told once of each problem, not each time that it is met. */
  readonly onProblem: (message: string) => void;
  /** Told when the configuration has the certificate, at first and after a problem. */
  readonly onTrusted: () => void;
  /** How long a certificate is valid, in milliseconds. A new one is made in the middle. */
  readonly validity: number;
};

/** In a row, when others change the configuration at the same time. */
const mostTries = 10;
/** A call of the API server may take so long, in milliseconds. */
const callTimeout = 10_000;

/**
 * Has the API server trust this injector. Each replica has a key of its own, which never leaves its memory; the
 * certificates of all replicas are together in the configuration, so that no secret is needed that they would share.
 */
export class Trust {
  readonly #options: TrustOptions;
  readonly #ending = new AbortController();
  #shown: ServerCertificate | undefined;
  #coming: ServerCertificate | undefined;
  #isComingKnown = false;
  readonly #retired: string[] = [];
  #isTrusted = false;
  #problem: string | undefined;

  constructor(options: TrustOptions) {
    this.#options = options;
  }

  /** Whether the API server knows the certificate that is shown. */
  get isTrusted(): boolean {
    return this.#isTrusted;
  }

  /** Makes the first certificate and shows it. */
  async start(): Promise<void> {
    this.#shown = await this.#make();
    this.#options.show(this.#shown);
  }

  /**
   * Puts into the configuration what belongs there, and makes a new certificate in time. To be called again and again: the
   * new certificate is shown by the next call after the one that has made it known.
   */
  async look(): Promise<void> {
    const { now, show, onProblem, validity } = this.#options;
    try {
      if (this.#coming !== undefined && this.#isComingKnown) {
        if (this.#shown !== undefined) this.#retired.push(this.#shown.certificate);
        this.#shown = this.#coming;
        this.#coming = undefined;
        show(this.#shown);
      }
      if (this.#shown !== undefined && now() > this.#shown.madeAt + validity / 2)
        this.#coming ??= await this.#make();
      await this.#change(this.#own());
      if (!this.#isTrusted || this.#problem !== undefined) this.#options.onTrusted();
      this.#problem = undefined;
      this.#isTrusted = true;
      this.#isComingKnown = this.#coming !== undefined;
      this.#retired.length = 0;
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      const problem = messageOf(error);
      if (problem !== this.#problem) onProblem(problem);
      this.#problem = problem;
    }
  }

  /** Takes the certificates of this injector out. */
  async close(): Promise<void> {
    this.#ending.abort();
    this.#retired.push(...this.#own());
    try {
      await this.#change([], AbortSignal.timeout(callTimeout));
    } catch (error) {
      this.#options.onProblem(messageOf(error));
    }
  }

  #own(): string[] {
    return [this.#shown, this.#coming].flatMap((one) => one?.certificate ?? []);
  }

  #make(): Promise<ServerCertificate> {
    const { hosts, now, validity } = this.#options;
    return makeCertificate({ hosts, now: now(), validity });
  }

  async #change(own: readonly string[], signal?: AbortSignal): Promise<void> {
    const { configuration, now } = this.#options;
    for (let tries = 0; tries < mostTries; tries++) {
      const until =
        signal ?? AbortSignal.any([this.#ending.signal, AbortSignal.timeout(callTimeout)]);
      const found = await configuration.read(until);
      const bundles = found.bundles.map((one) => mergedBundle(one, own, this.#retired, now()));
      if (bundles.every((one, index) => one === found.bundles[index])) return;
      const { resourceVersion } = found;
      if (await configuration.write({ resourceVersion, bundles }, until)) return;
    }
    throw new Error("others have changed the configuration each time");
  }
}
