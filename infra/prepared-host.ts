import { remote } from '@pulumi/command';
import * as pulumi from '@pulumi/pulumi';
import type { Host } from '../src/fleet/host.ts';
import { defaultProfile, type Profile } from '../src/fleet/profile.ts';
import type { Connection } from './connection.ts';
import { ignoredInputs, type Preparation, preparation, shortcomings, warnings } from './preparation.ts';
import { type Answer, ask, askWhenUp, type Readiness, reach } from './readiness.ts';
import { sshReadiness } from './ssh-readiness.ts';

export interface PreparedHostArgs {
  /** As the fleet file has it: its name, how root is reached there, its services. */
  readonly host: Host;
  /** What it must have; default: what a fleet file without profiles asks for. */
  readonly profile?: Profile;
  /** How it is reached; address and key may be outputs of the resource that makes the machine. */
  readonly connection: Connection;
  /**
   * What it answered before it was declared (`ask`). Absent: it is asked as soon as its address is known, and waited for
   * where the machine was only just made.
   */
  readonly answer?: Answer;
  /** How it is asked; default: over SSH, what compliance asks. */
  readonly readiness?: Readiness;
  readonly limits?: Partial<Limits>;
}

export interface Limits {
  /** How long a host may take to answer one question, once it lets us in, for which it has 10 s; default 30. */
  readonly answerSeconds: number;
  /** How long the sshd of a machine may take to come up whose address was an output; default 180. */
  readonly bootSeconds: number;
}

/**
 * A host that has what its profile asks for.
 *
 * ```ts
 * new PreparedHost('web3', { host, profile, connection });
 * ```
 *
 * The command provider never looks at a host again, so this component asks the host itself: where the host lacks
 * something, its one child shows as an in-place update that says what, and `up` mends it, asks again, and fails if
 * anything is still lacking. A host that lacks nothing, or that cannot be reached, shows no change. Deleting one does
 * nothing on the host (`runbook prepare --remove` does), and needs no host.
 *
 * Renamed or moved ones keep their state by the `aliases` option, which the child follows by its parent.
 */
export class PreparedHost extends pulumi.ComponentResource {
  static readonly type = 'hangar:index:PreparedHost';

  readonly address: pulumi.Output<string>;
  /** `TYPE BASE64` */
  readonly hostKey: pulumi.Output<string>;
  /** Debian packages of the profile that are installed: version by name. Empty where the host was not asked. */
  readonly versions: pulumi.Output<Readonly<Record<string, string>>>;
  /** Whether the host was asked and lacks nothing. */
  readonly ready: pulumi.Output<boolean>;
  /** Of the child, known as soon as that is registered. */
  readonly command: pulumi.Output<pulumi.URN>;

  constructor(name: string, args: PreparedHostArgs, options: pulumi.ComponentResourceOptions = {}) {
    super(PreparedHost.type, name, {}, options);
    const asking = new Asking(args);
    const command = new remote.Command(`${name}-preparation`, commandArgs(args.connection, asking.wanted), {
      parent: this,
      additionalSecretOutputs: ['stdout', 'stderr'],
      ignoreChanges: [...ignoredInputs(asking.last)],
      ...(hasEngine() && {
        // An answer that comes only when the inputs do is known when they are registered.
        ...(args.answer === undefined && { transforms: [ignoring(asking)] }),
        hooks: {
          beforeCreate: [() => asking.reach()],
          beforeUpdate: [() => asking.reach()],
          afterCreate: [() => asking.verify()],
          afterUpdate: [() => asking.verify()],
        },
      }),
    });
    asking.wanted.apply(() => tell(asking.last, command));
    const done = pulumi.unsecret(command.stdout);
    this.command = command.urn;
    this.address = pulumi.output(args.connection.host);
    this.hostKey = pulumi.output(args.connection.hostKey);
    this.versions = done.apply(() => (asking.last?.status === 'asked' ? asking.last.versions : {}));
    this.ready = done.apply(() => asking.last?.status === 'asked' && asking.last.deviations.length === 0);
    this.registerOutputs({
      address: this.address,
      hostKey: this.hostKey,
      versions: this.versions,
      ready: this.ready,
    });
  }
}

/** The SDK's mocks say that they know hooks, then wait for them without end. */
function hasEngine(): boolean {
  return typeof pulumi.runtime.getMonitor()?.registerResourceHook === 'function';
}

/**
 * In a program of the Automation API, the SDK (3.259.0) forgets here that the connection is marked as secret: one more
 * reason for it to hold none.
 */
function ignoring(asking: Asking): pulumi.ResourceTransform {
  return ({ props, opts }) => ({ props, opts: { ...opts, ignoreChanges: [...ignoredInputs(asking.last)] } });
}

/** `environment` needs a setting of sshd, a `delete` would need the host to be there, and `triggers` would replace. */
function commandArgs(connection: Connection, wanted: pulumi.Output<Preparation>): remote.CommandArgs {
  const { line, stdin } = wanted;
  return {
    connection: { ...connection },
    create: line,
    update: line,
    stdin,
    addPreviousOutputInEnv: false,
    logging: 'none',
  };
}

/** What is known of a host while the program runs: what it answered first, and what it answers once it is prepared. */
class Asking {
  readonly wanted: pulumi.Output<Preparation>;
  /** Undefined as long as the address is not known. */
  last: Answer | undefined;
  #host: Host;
  readonly #readiness: Readiness;
  readonly #profile: Profile;
  readonly #limits: Limits;

  constructor({
    host,
    profile = defaultProfile,
    connection,
    answer,
    readiness = sshReadiness(),
    limits,
  }: PreparedHostArgs) {
    this.#host = host;
    this.#readiness = readiness;
    this.#profile = profile;
    this.#limits = { answerSeconds: 30, bootSeconds: 180, ...limits };
    this.last = answer;
    this.wanted =
      answer === undefined
        ? pulumi
            .all([connection.host, connection.hostKey])
            .apply(([address, hostKey]) => this.#first({ ...host, address, hostKey }))
        : pulumi.output(preparation(host, answer));
  }

  async #first(host: Host): Promise<Preparation> {
    const { answerSeconds: limitSeconds, bootSeconds } = this.#limits;
    const waitSeconds = pulumi.runtime.isDryRun() ? 0 : bootSeconds;
    this.#host = host;
    this.last = await askWhenUp(this.#readiness, host, this.#profile, { limitSeconds, waitSeconds });
    return preparation(host, this.last);
  }

  /** The provider would wait without end for a host that takes its connection and then says nothing. */
  async reach(): Promise<void> {
    if (this.last?.status === 'unreachable') throw new Error(shortcomings(this.last).join('; '));
    await reach(this.#readiness, this.#host, this.#limits.answerSeconds);
  }

  async verify(): Promise<void> {
    this.last = await ask(this.#readiness, this.#host, this.#profile, { limitSeconds: this.#limits.answerSeconds });
    const left = shortcomings(this.last);
    if (left.length > 0) throw new Error(`"${this.#host.name}" is not ready after its preparation: ${left.join('; ')}`);
  }
}

/** In the row of the preview, among its diagnostics, and in `--json`. What is being mended is no longer a warning. */
function tell(answer: Answer | undefined, command: remote.Command): void {
  if (answer === undefined) return;
  const isMending = answer.status === 'asked' && !pulumi.runtime.isDryRun();
  for (const text of warnings(answer)) log('warn', text, command);
  for (const text of shortcomings(answer)) log(isMending ? 'info' : 'warn', text, command);
}

/**
 * Only once the resource is registered: the log waits for that, and every later message for this one, which would be for
 * ever where the resource cannot be made.
 */
function log(severity: 'info' | 'warn', text: string, command: remote.Command): void {
  command.urn.apply(() => pulumi.log[severity](text, command));
}
