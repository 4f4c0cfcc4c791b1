import * as command from "@pulumi/command";
import type * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { applicationEnvironment, secretsFolder } from "../core/ownApplication.ts";
import type { ApplicationNode } from "../core/topology.ts";
import { alsoKnownAs, createContainer, createStateVolume, resourceName } from "./container.ts";
import type { DeploymentContext } from "./context.ts";
import { filesOf, namesOf } from "./nodeConfiguration.ts";
import { runScript } from "./script.ts";

/** What one's own application beside a server is made from. */
export interface OwnApplicationArgs {
  readonly context: DeploymentContext;
  readonly application: ApplicationNode;
}

/**
 * One's own application beside a server (docs/your-application.md): its secrets in a volume, its container, and the
 * proof that the gateway finds it well. The files are in the volume before the container starts; whatever changes, a
 * file too, makes the container anew.
 */
export class OwnApplication extends pulumi.ComponentResource {
  readonly container: docker.Container;
  /** Done once the gateway finds it well: the next one is made only then, so that one at a time is away. */
  readonly ready: command.local.Command;

  constructor(name: string, args: OwnApplicationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("pg-continuity:index:OwnApplication", name, { server: args.application.name }, opts);
    const { context, application } = args;
    const { topology, settings } = context;
    const volume = createStateVolume(context, application, this);
    const files = filesOf(context, application);
    const names = namesOf(files);
    const helper = context.images.get(`server@${application.host.name}`);
    if (!helper)
      throw new Error(`${application.node}: no image for servers on host ${application.host.name}`);
    const delivered = new command.local.Command(
      `configure-${resourceName(context, application)}`,
      {
        create: runScript("node/deliverFiles.ts"),
        stdin: pulumi.secret(files.apply((all) => JSON.stringify(all))),
        environment: {
          DOCKER_URL: application.host.docker,
          VOLUME: volume.name,
          IMAGE: helper.image,
          USER_ID: String(settings.application.user),
          PROJECT: topology.project,
          STACK: topology.stack,
          ...names,
        },
        addPreviousOutputInEnv: false,
        logging: "stderr",
      },
      {
        parent: this,
        ...alsoKnownAs(context, application, (name) => `configure-${name}`),
        dependsOn: [helper.build],
        customTimeouts: { create: "2m", update: "2m" },
      },
    );
    this.container = createContainer(
      context,
      application,
      {
        ports: [
          {
            internal: application.port,
            external: application.published.port,
            address: application.protocol === "http" ? "127.0.0.1" : settings.publishedAddress,
          },
        ],
        volumes: [{ volume, path: secretsFolder, readOnly: true }],
        tmpfs: {},
        stopSignal: "SIGTERM",
        graceSeconds: 15,
        mustRun: true,
        outlivedBy: [delivered],
        after: [],
        foreign: {
          ...settings.application,
          environment: applicationEnvironment(topology, application, settings.application),
          fingerprint: names.FINGERPRINT,
        },
      },
      this,
    );
    this.ready = new command.local.Command(
      `await-${resourceName(context, application)}`,
      {
        create: runScript("node/awaitApplication.ts"),
        environment: {
          SERVER: application.name,
          CONTAINER: application.containerName,
          CONTAINER_ID: this.container.id,
          GATEWAY_DOCKER_URL: topology.gateway.host.docker,
          GATEWAY_CONTAINER: topology.gateway.containerName,
        },
        addPreviousOutputInEnv: false,
        logging: "stderr",
      },
      {
        parent: this,
        ...alsoKnownAs(context, application, (name) => `await-${name}`),
        dependsOn: [this.container],
        customTimeouts: { create: "5m", update: "5m" },
      },
    );
    this.registerOutputs({});
  }
}
