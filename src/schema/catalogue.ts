import { bindings } from "../bindings/index.ts";
import { remoteStoreFields } from "../resources/store-types.ts";
import { componentFields } from "../runtime/component/component-fields.ts";
import { secretStoreModules } from "../secret-stores/modules.ts";
import { stateStores } from "../states/index.ts";
import type { Catalogue } from "./component-file.ts";

/** All types of this version, with what they share. */
export async function wholeCatalogue(): Promise<Catalogue> {
  const secretStores = await Promise.all(
    secretStoreModules.map(async ({ load }) => (await load()).default),
  );
  return { bindings, stateStores, secretStores, componentFields, remoteStoreFields };
}
