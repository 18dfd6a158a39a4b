/** Why a component does not run that runs programs of this machine, with the remedy. */
export function whyNoPrograms(type: string): string {
  return `${type} runs programs of this machine, which is off; start the runtime with --allow-exec (allowExec: true where it is embedded)`;
}
