import type { Logger } from "../binding.ts";
import type { ComponentNames } from "../runtime/app.ts";
import { nearestOf } from "../runtime/find-component.ts";

type Subscriber = {
  readonly names: readonly string[];
  /** Tells the app itself. */
  readonly tell: ((complaint: string) => void) | undefined;
  /** What it was told. */
  readonly told: Set<string>;
};

/**
 * Compares the inputs that apps subscribe to with those that there are: a name that no input has is told to the
 * log, once for as long as it is so, and to each app that can be told.
 */
export class SubscriptionCheck {
  readonly #logger: Logger;
  readonly #subscribers = new Map<object, Subscriber>();
  /** What the log was told. */
  #logged = new Set<string>();
  #components: ComponentNames | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** An app, or a part of one, wants these inputs, in the place of those that it wanted before. */
  subscribed(
    subscriber: object,
    names: readonly string[],
    tell?: (complaint: string) => void,
  ): void {
    const { told = new Set<string>() } = this.#subscribers.get(subscriber) ?? {};
    const entry = { names, tell, told };
    this.#subscribers.set(subscriber, entry);
    this.#check(entry);
  }

  /** It wants nothing any more. */
  left(subscriber: object): void {
    this.#subscribers.delete(subscriber);
  }

  /** There are other components than before. */
  componentsChanged(components: ComponentNames): void {
    this.#components = components;
    const complaints = new Set(
      [...this.#subscribers.values()].flatMap(({ names }) =>
        names.flatMap((name) => complaintOf(name, components) ?? []),
      ),
    );
    this.#logged = new Set([...this.#logged].filter((one) => complaints.has(one)));
    for (const entry of this.#subscribers.values()) this.#check(entry);
  }

  #check({ names, tell, told }: Subscriber): void {
    if (this.#components === undefined) return;
    for (const name of names) {
      const complaint = complaintOf(name, this.#components);
      if (complaint === undefined) continue;
      if (!this.#logged.has(complaint)) this.#logger.warn({ binding: name }, complaint);
      this.#logged.add(complaint);
      if (!told.has(complaint)) tell?.(complaint);
      told.add(complaint);
    }
  }
}

function complaintOf(name: string, { inputs, outputs }: ComponentNames): string | undefined {
  if (inputs.includes(name)) return undefined;
  if (outputs.includes(name))
    return `the app subscribes to ${name}, which is an output and reads no events`;
  return `the app subscribes to ${name}, and no input is called so; ${nearestOf(name, inputs)}`;
}
