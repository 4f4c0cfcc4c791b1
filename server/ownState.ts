import type { Cluster } from "./databases/cluster.ts";
import { assess, type Health, type HealthInput } from "./health.ts";
import type { Logger } from "./log.ts";

export interface OwnStateDeps {
  readonly cluster: Cluster;
  readonly config: () => Pick<HealthInput, "server" | "writeHoldSeconds">;
  readonly ready: () => boolean;
  readonly log: Logger;
}

/** What this server can do, and since when. Each change goes to the log. */
export class OwnState {
  readonly #deps: OwnStateDeps;
  readonly #unsubscribe: () => void;
  #isStopping = false;
  #last: { readonly key: string; readonly since: number } = { key: "", since: Date.now() };

  constructor(deps: OwnStateDeps) {
    this.#deps = deps;
    this.#unsubscribe = deps.cluster.subscribe(() => void this.health());
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** It stops: from now on it says so. */
  stopping(): void {
    this.#isStopping = true;
    this.health();
  }

  /** Looks at the databases no more. */
  end(): void {
    this.#unsubscribe();
  }

  health(): Health & { readonly since: number } {
    const { cluster, config, ready, log } = this.#deps;
    const now = Date.now();
    const health = assess({
      ...config(),
      state: cluster.state,
      ready: ready(),
      stopping: this.#isStopping,
      now,
    });
    const key = `${health.role} ${health.state} ${health.database} ${health.databaseRole}`;
    if (key !== this.#last.key) {
      this.#last = { key, since: now };
      const { role, state, database, databaseRole, timeline } = health;
      log.info({ role, state, database, databaseRole, timeline }, "state of this server");
    }
    return { ...health, since: this.#last.since };
  }
}
