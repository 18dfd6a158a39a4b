import { onTestFinished } from "vitest";
import { BindingError } from "../../src/errors.ts";
import { duration, string } from "../../src/metadata/fields.ts";
import { SecretStores, type SecretStoresOptions } from "../../src/resources/secret-stores.ts";
import { defineSecretStore, type SecretStoreModule } from "../../src/secret-store.ts";
import { secretStoreModules } from "../../src/secret-stores/modules.ts";

/** A remote store in memory, of the type `secretstores.far`, whose component says which `place` it is. */
export class FarStore {
  readonly secrets = new Map<string, Record<string, string>>();
  /** Names, in the order in which they were asked for. */
  readonly asked: string[] = [];
  /** The tokens that it was opened with. */
  readonly opened: string[] = [];
  closed = 0;
  /** `away`: it refuses; a promise: it answers when that resolves. */
  trouble: "away" | Promise<void> | undefined;

  readonly module: SecretStoreModule = {
    name: "far",
    load: () =>
      Promise.resolve({
        default: defineSecretStore({
          name: "far",
          status: "alpha",
          summary: "Far.",
          isRemote: true,
          isNamespaced: true,
          drivers: { "far-driver": "1.0.0" },
          needsDriver: (_, { token }) => token === undefined,
          metadata: {
            place: string({ description: "Place.", default: "" }),
            token: string({ description: "Token.", sensitive: true }),
            wait: duration({ description: "Wait.", default: "0" }),
          },
          open: ({ metadata: { place, token = "" } }) => {
            this.opened.push(token);
            return {
              read: async (name, { namespace }) => {
                const full = [place, namespace, name].filter((part) => part !== "").join("/");
                this.asked.push(full);
                if (this.trouble === "away")
                  throw new BindingError("unavailable", `refused (token ${token})`);
                await this.trouble;
                const found = this.secrets.get(full);
                return found && new Map(Object.entries(found));
              },
              [Symbol.asyncDispose]: () => {
                this.closed++;
                return Promise.resolve();
              },
            };
          },
        }),
      }),
  };

  get modules(): readonly SecretStoreModule[] {
    return [...secretStoreModules, this.module];
  }

  /** Stores of this type and all others, closed after the test. */
  stores(options: SecretStoresOptions = {}): SecretStores {
    const stores = new SecretStores({ modules: this.modules, ...options });
    onTestFinished(() => stores[Symbol.asyncDispose]());
    return stores;
  }
}
