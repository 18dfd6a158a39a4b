import type { Network } from "./opened-source.ts";

/** Several connections of a source, struck at once. */
export function together(...networks: readonly Network[]): Network {
  const all = (act: (network: Network) => void) => (): void => networks.forEach(act);
  return {
    get connections() {
      return networks.reduce((sum, { connections }) => sum + connections, 0);
    },
    cut: all((one) => one.cut()),
    stall: all((one) => one.stall()),
    halfOpen: all((one) => one.halfOpen()),
    delay: (milliseconds) => networks.forEach((one) => one.delay(milliseconds)),
    refuse: all((one) => one.refuse()),
    heal: all((one) => one.heal()),
  };
}
