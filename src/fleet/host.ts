/** Name of a host in the inventory; without a fleet file the ssh destination as typed. */
export type HostName = string;

/** A machine we log in to and the services it runs, as the fleet file (or an ssh destination) says. */
export interface Host {
  readonly name: HostName;
  /** Host name or IP address; absent: what ssh_config says for `name`. */
  readonly address?: string;
  readonly port?: number;
  readonly user?: string;
  /** How root is reached: `sudo -n`, or `none` where we log in as root. */
  readonly become: 'sudo' | 'none';
  /** `TYPE BASE64` as in known_hosts; absent: known_hosts decides. */
  readonly hostKey?: string;
  /** A host of the inventory, or what ssh_config knows. */
  readonly jump?: string;
  /** Private key file; absent: what ssh_config says, and the agent. */
  readonly identityFile?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly services: readonly Service[];
  readonly profile?: string;
}

export interface Service {
  readonly name: string;
  /** URL or command asked on the host: answers within its limit, or not. */
  readonly check?: string;
  /** Narrows the service's processes by a substring of their command line. */
  readonly match?: string;
  /** Command that restarts it, where neither systemctl nor `service` does. */
  readonly restart?: string;
}
