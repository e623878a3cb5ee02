import type { CommandSpec } from '../program.ts';

export const serveCommand: CommandSpec = {
  declare: command =>
    command
      .option('--listen <address:port>', 'where metrics and reports are shown; loopback only', '127.0.0.1:7465')
      .option('--stop-within <duration>', 'how long runs at work may take to end when serve ends', '1m')
      .option('--print-systemd', 'print service and timer units that run the schedules without serve', false)
      .option('--user-unit', 'with --print-systemd: for `systemctl --user`', false)
      .addHelpText('after', help),
  async run(command, options, io) {
    // What it takes is asked for more often, by each key that completes an option.
    const { serveAsAsked } = await import('../serve.ts');
    return serveAsAsked(command.opts(), options, io);
  },
};

const help = `
Runs the schedules of the fleet file, each as \`runbook NAME --host SELECTOR\` in a process of its own. The fleet file is
read anew for each run. A time that comes while the last run is at work is skipped; times that passed while serve was
down are told, and not caught up. One serve a state directory. SIGTERM and SIGINT end it, its runs first.

Pages: / schedules, /runs/ID[.json], /compliance[.json], /metrics (Prometheus), /healthz. Reports quote sources and
requests: they need the token that lies in STATE/serve/token (0600) and stands in the address that is printed at the
start; send it as \`?token=\` or \`Authorization: Bearer\`. /metrics and /healthz need none, and name hosts and schedules.

Units of --print-systemd have no ssh agent: name an identityFile in the fleet file. An hour that the clock skips in
spring is skipped by systemd too; serve runs a daily schedule of that hour right behind it.

Examples:
  runbook serve                                               until it is told to end
  runbook serve --print-systemd --output /etc/systemd/system  then: systemctl daemon-reload && systemctl enable --now hangar-ID.timer`;
