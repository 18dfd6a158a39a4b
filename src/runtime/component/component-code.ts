import type { AnyBinding } from "../../binding.ts";
import { DeclaredBinding } from "../declared-binding.ts";

/** A component's binding, whose code may not be loaded yet. */
export class ComponentCode {
  #binding: AnyBinding;
  /** Rejects with a `BindingError`. Absent: the code is there. */
  load: (() => Promise<void>) | undefined;

  constructor(binding: AnyBinding) {
    this.#binding = binding;
    if (!(binding instanceof DeclaredBinding)) return;
    this.load = async () => {
      this.#binding = await binding.load();
      this.load = undefined;
    };
  }

  get binding(): AnyBinding {
    return this.#binding;
  }
}
