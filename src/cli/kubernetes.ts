import type { Command } from "commander";
import { addKubernetesCheckCommand } from "./kubernetes-check.ts";
import { addKubernetesInjectCommand } from "./kubernetes-inject.ts";
import { addKubernetesInjectorCommand } from "./kubernetes-injector.ts";
import { addKubernetesRolesCommand } from "./kubernetes-roles.ts";

/** `cufflink kubernetes`: what is prepared for a cluster, and done in it. */
export function addKubernetesCommand(program: Command, setExitCode: (code: number) => void): void {
  const group = program
    .command("kubernetes")
    .description("prepare workloads of Kubernetes: put the sidecar in, write its roles");
  addKubernetesInjectCommand(group);
  addKubernetesInjectorCommand(group, setExitCode);
  addKubernetesCheckCommand(group);
  addKubernetesRolesCommand(group);
}
