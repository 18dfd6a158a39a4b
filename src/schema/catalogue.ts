import type { AnyBinding } from "../binding.ts";
import { bindings } from "../bindings/index.ts";
import { remoteStoreFields } from "../resources/store-types.ts";
import { componentFields } from "../runtime/component/component-fields.ts";
import { secretStoreModules } from "../secret-stores/modules.ts";
import { stateStores } from "../states/index.ts";
import type { Catalogue } from "./component-file.ts";

/** All types of this version, with what they share; and those that users have added. */
export async function wholeCatalogue(added: readonly AnyBinding[] = []): Promise<Catalogue> {
  const secretStores = await Promise.all(
    secretStoreModules.map(async ({ load }) => (await load()).default),
  );
  const all = [...bindings, ...added];
  return { bindings: all, stateStores, secretStores, componentFields, remoteStoreFields };
}
